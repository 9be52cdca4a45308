use std::ops::Range;

use crate::error::Error;

/// Indices grouped by identity: groups by ascending identity, members by ascending index.
#[derive(Clone, Debug)]
pub(crate) struct IdentityGroups {
    members: Vec<usize>,
    ranges: Vec<Range<usize>>,
    group_of: Vec<usize>,
}

impl IdentityGroups {
    /// Sorts the indices by identity in `O(n log n)`.
    pub(crate) fn new(identities: &[usize]) -> Self {
        let mut members: Vec<usize> = (0..identities.len()).collect();
        members.sort_by_key(|&index| identities[index]);
        let mut ranges = Vec::new();
        let mut group_of = vec![0; identities.len()];
        let mut start = 0;
        for run in members.chunk_by(|&i, &j| identities[i] == identities[j]) {
            run.iter().for_each(|&index| group_of[index] = ranges.len());
            ranges.push(start..start + run.len());
            start += run.len();
        }
        Self { members, ranges, group_of }
    }

    /// Number of identities.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Members of a group.
    pub(crate) fn group(&self, group: usize) -> &[usize] {
        &self.members[self.ranges[group].clone()]
    }

    /// All other members of the anchor's group, by ascending index.
    pub(crate) fn positives(&self, anchor: usize) -> impl Iterator<Item = usize> {
        self.group(self.group_of[anchor]).iter().copied().filter(move |&index| index != anchor)
    }

    /// Groups with at least two members, in order.
    ///
    /// # Errors
    ///
    /// Fails if no triplet exists: fewer than two groups, or no group with two members.
    pub(crate) fn with_positives(&self) -> Result<Vec<usize>, Error> {
        if self.len() < 2 {
            return Err(Error::TooFewPeople { found: self.len() });
        }
        let groups: Vec<usize> = (0..self.len()).filter(|&group| self.group(group).len() >= 2).collect();
        if groups.is_empty() { Err(Error::NoPositivePair) } else { Ok(groups) }
    }
}
