/// A row whose squared norm is NaN or infinite: its distances are not defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("row {row} or its squared norm is not finite")]
pub struct NotFinite {
    /// The first such row.
    pub row: usize,
}
