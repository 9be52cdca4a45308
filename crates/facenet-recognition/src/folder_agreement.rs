//! Scores against folders that are named after people.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use facenet_data::{escape_path, normalized_name};
use facenet_metrics::{ClusteringReport, clustering_report};

use crate::error::Error;

/// Scores groups of faces, taking each folder of photos for a person. `None` unless all photos lie one
/// level deep, in at least two folders. Names are compared after Unicode normalization.
///
/// # Shapes
///
/// `groups`: rows of faces; `faces`: the rows to score, each with the path of its photo relative to the
/// folder that was grouped. A row that is in no group counts as a group of its own, as does a photo without
/// a face, which has no row.
///
/// # Errors
///
/// As [`clustering_report`].
pub fn grouping_agreement(
    groups: &[Vec<usize>],
    faces: &[(Option<usize>, PathBuf)],
) -> Result<Option<ClusteringReport>, Error> {
    let mut folders: BTreeMap<String, usize> = BTreeMap::new();
    let mut identities = Vec::new();
    for (_, path) in faces {
        let Some(folder) = path.parent().filter(|folder| folder.iter().count() == 1) else { return Ok(None) };
        let next = folders.len();
        let name = normalized_name(&escape_path(folder)).into_owned();
        identities.push(*folders.entry(name).or_insert(next));
    }
    if folders.len() < 2 {
        return Ok(None);
    }
    let grouped: BTreeMap<usize, usize> =
        groups.iter().enumerate().flat_map(|(index, group)| group.iter().map(move |&row| (row, index))).collect();
    let clusters: Vec<usize> = faces
        .iter()
        .enumerate()
        .map(|(index, (row, _))| row.and_then(|row| grouped.get(&row).copied()).unwrap_or(groups.len() + index))
        .collect();
    Ok(Some(clustering_report(&clusters, &identities)?))
}

/// Identification scores on the probes whose folder is named after an enrolled person.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct IdentificationAgreement {
    /// Number of such probes.
    pub probes: usize,
    /// Share of them whose nearest enrolled person is that of the folder.
    pub rank1: f64,
    /// Share of them that were given that person's name.
    pub named_rightly: f64,
    /// Share of them that were given another person's name.
    pub named_wrongly: f64,
}

/// A probe and the answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnsweredProbe<'a> {
    /// The image.
    pub path: &'a Path,
    /// The name of the nearest enrolled person.
    pub nearest: &'a str,
    /// The name that was given; `None` for unknown.
    pub named: Option<&'a str>,
}

/// Scores identification on the probes whose folder is named after one of the enrolled `people`.
/// `None` if there is no such probe. Names are compared after Unicode normalization.
#[must_use]
pub fn identification_agreement(
    probes: &[AnsweredProbe<'_>],
    people: &BTreeSet<&str>,
) -> Option<IdentificationAgreement> {
    let people: BTreeSet<Cow<'_, str>> = people.iter().map(|name| normalized_name(name)).collect();
    let labelled = probes.iter().filter_map(|probe| {
        let folder = probe.path.parent().and_then(Path::file_name).map(escape_path)?;
        let folder = normalized_name(&folder).into_owned();
        people.contains(&*folder).then_some((probe, folder))
    });
    let labelled: Vec<_> = labelled.collect();
    let share = |matches: &dyn Fn(&AnsweredProbe<'_>, &str) -> bool| {
        labelled.iter().filter(|(probe, person)| matches(probe, person)).count() as f64 / labelled.len() as f64
    };
    (!labelled.is_empty()).then(|| IdentificationAgreement {
        probes: labelled.len(),
        rank1: share(&|probe, person| normalized_name(probe.nearest) == person),
        named_rightly: share(&|probe, person| probe.named.is_some_and(|name| normalized_name(name) == person)),
        named_wrongly: share(&|probe, person| probe.named.is_some_and(|name| normalized_name(name) != person)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_people_only_if_every_image_is_in_one() {
        let paths = |names: &[&str]| {
            names.iter().map(PathBuf::from).enumerate().map(|(row, path)| (Some(row), path)).collect::<Vec<_>>()
        };
        let groups = [vec![0, 1], vec![2]];
        let report = grouping_agreement(&groups, &paths(&["a/1.png", "a/2.png", "b/1.png"])).unwrap().unwrap();
        assert_eq!((report.identities, report.bcubed_f), (2, 1.0));
        // The first image is in no group.
        let report = grouping_agreement(&[vec![1], vec![2]], &paths(&["a/1.png", "a/2.png", "b/1.png"]));
        let report = report.unwrap().unwrap();
        assert!(report.bcubed_precision == 1.0 && (report.bcubed_recall - 2.0 / 3.0).abs() < 1e-12, "{report:?}");
        for names in
            [["1.png", "a/2.png", "b/1.png"], ["a/1.png", "a/2.png", "a/3.png"], ["a/b/1.png", "b/c/2.png", "c/3.png"]]
        {
            assert_eq!(grouping_agreement(&groups, &paths(&names)).unwrap(), None, "{names:?}");
        }
    }

    #[test]
    fn only_probes_in_folders_of_enrolled_people_count() {
        let probe = |path, nearest, named| AnsweredProbe { path: Path::new(path), nearest, named };
        let probes = [
            probe("x/Ann/1.png", "Ann", Some("Ann")),
            probe("x/Ann/2.png", "Ann", None),
            probe("x/Bob/1.png", "Ann", Some("Ann")),
            probe("x/Eve/1.png", "Ann", Some("Ann")),
        ];
        let agreement = identification_agreement(&probes, &BTreeSet::from(["Ann", "Bob"])).unwrap();
        assert_eq!((agreement.probes, agreement.rank1), (3, 2.0 / 3.0));
        assert_eq!((agreement.named_rightly, agreement.named_wrongly), (1.0 / 3.0, 1.0 / 3.0));
        assert_eq!(identification_agreement(&probes, &BTreeSet::from(["Zoe"])), None);
    }

    #[test]
    fn names_are_compared_after_normalization() {
        let (composed, decomposed) = ("Zo\u{eb}", "Zoe\u{308}");
        let path = PathBuf::from(format!("x/{decomposed}/1.png"));
        let probes = [
            AnsweredProbe { path: &path, nearest: composed, named: Some(composed) },
            AnsweredProbe { path: &path, nearest: decomposed, named: Some("Zoe") },
        ];
        let agreement = identification_agreement(&probes, &BTreeSet::from([composed])).unwrap();
        assert_eq!((agreement.probes, agreement.rank1), (2, 1.0));
        assert_eq!((agreement.named_rightly, agreement.named_wrongly), (0.5, 0.5));

        let paths = [composed, decomposed, "Ann"].map(|folder| PathBuf::from(folder).join("1.png"));
        let paths: Vec<_> = paths.into_iter().enumerate().map(|(row, path)| (Some(row), path)).collect();
        let report = grouping_agreement(&[vec![0, 1], vec![2]], &paths).unwrap().unwrap();
        assert_eq!((report.identities, report.bcubed_f), (2, 1.0));
    }
}
