//! Finding the photos below a folder.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::files::entry::list_folder;
use crate::files::folder_contents::{FolderContents, MAX_DEPTH, PassedOverReason, Subfolder};
use crate::files::folder_identity::FolderIdentity;
use crate::files::natural_order::natural_order_bytes;

/// The photos in a folder, then those of each of its subfolders, recursively; at each level in
/// [natural order](crate::natural_order()). Whatever is not a photo is accounted for as well.
///
/// The first [`SIGNATURE_LENGTH`](crate::SIGNATURE_LENGTH) bytes of each file decide whether it is an image,
/// and not its name. Pipes, sockets and devices are never opened. Names that start with a dot are hidden: files
/// that are not images are counted, everything else is passed over. What can't be read stops nothing.
///
/// Each folder is read once, wherever links lead, so that cyclic links terminate: through its own path if it
/// lies below `folder`, else through the first link to it. The other paths to it are passed over. A link to a
/// file, in contrast, is a photo of its own, like a copy: links to one photo from two albums are two photos.
///
/// Memory bounds the number of entries, and nothing else does.
///
/// # Errors
/// If `folder` does not exist or can't be listed.
pub fn photos_below(folder: &Path) -> Result<FolderContents, Error> {
    let mut walk = Walk::default();
    walk.visit(Pending { path: folder.to_owned(), depth: 0 })?;
    // Linked folders come last: a folder that also has a path of its own is read through that.
    while let Some(pending) = walk.own.pop().or_else(|| walk.linked.pop_front()) {
        let path = pending.path.clone();
        if let Err(error) = walk.visit(pending) {
            let mut contents = FolderContents::default();
            contents.add_unreadable(path.clone(), error);
            walk.read.push((path, contents));
        }
    }
    walk.read.sort_by(|(left, _), (right, _)| compare_folders(left, right));
    let mut all = FolderContents::default();
    walk.read.into_iter().for_each(|(_, contents)| all.append(contents));
    Ok(all)
}

/// A folder that remains to be read.
struct Pending {
    path: PathBuf,
    /// Number of folders above it, up to the one that is searched.
    depth: usize,
}

#[derive(Default)]
struct Walk {
    visited: BTreeSet<FolderIdentity>,
    /// A stack.
    own: Vec<Pending>,
    /// A queue.
    linked: VecDeque<Pending>,
    /// Each folder that was read or passed over, without its subfolders.
    read: Vec<(PathBuf, FolderContents)>,
}

impl Walk {
    fn visit(&mut self, Pending { path, depth }: Pending) -> Result<(), Error> {
        let mut contents = FolderContents::default();
        let identity = FolderIdentity::of(&path);
        // The error of listing says more about a folder that does not exist.
        let visited = identity.as_ref().is_ok_and(|identity| self.visited.contains(identity));
        if visited || depth > MAX_DEPTH {
            let reason = if visited { PassedOverReason::VisitedFolder } else { PassedOverReason::TooDeep };
            contents.pass_over(path.clone(), reason);
            self.read.push((path, contents));
            return Ok(());
        }
        let listing = list_folder(&path)?;
        self.visited.insert(identity.map_err(|source| Error::Io { path: path.clone(), source })?);
        for entry in listing.entries {
            let pending = |path| Pending { path, depth: depth + 1 };
            match contents.add(entry) {
                Some(Subfolder::Own(path)) => self.own.push(pending(path)),
                Some(Subfolder::Linked(path)) => self.linked.push_back(pending(path)),
                None => {}
            }
        }
        if let Some(error) = listing.error {
            contents.add_unreadable(path.clone(), error);
        }
        self.read.push((path, contents));
        Ok(())
    }
}

/// A folder before its subfolders, these in natural order.
fn compare_folders(left: &Path, right: &Path) -> std::cmp::Ordering {
    let (mut left, mut right) = (left.iter(), right.iter());
    loop {
        match (left.next(), right.next()) {
            (Some(a), Some(b)) if a == b => {}
            (Some(a), Some(b)) => return natural_order_bytes(a.as_encoded_bytes(), b.as_encoded_bytes()),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}
