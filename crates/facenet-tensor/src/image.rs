//! Access to the pixels of image views, and the assertions about shapes and strides that it relies
//! on.

pub(crate) mod check;
pub(crate) mod pixels;
pub(crate) mod slices;
pub(crate) mod view;
