//! Commands on pictures of one face each.
