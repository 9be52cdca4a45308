//! Images out of files that hold many, none of which is trusted.

pub mod matlab;
pub mod olivetti;
pub mod tar_gz;
