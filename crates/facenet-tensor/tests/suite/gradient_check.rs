//! All gradients against central differences, and the checking functions themselves.

use std::collections::BTreeSet;

use facenet_tensor::{central_difference, gradient_checks, relative_error};
use ndarray::array;

#[test]
fn every_gradient_agrees_with_central_differences() {
    let checks = gradient_checks();
    let failed: Vec<_> = checks.iter().filter(|check| !check.passed()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn every_operation_is_checked() {
    let checks = gradient_checks();
    let checked: BTreeSet<&str> = checks.iter().map(|check| check.operation).collect();
    let exported: BTreeSet<&str> = include_str!("../../src/lib.rs")
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .filter_map(|word| word.strip_suffix("_forward"))
        .collect();
    assert!(exported.len() > 18, "{exported:?}");
    let unchecked: Vec<_> = exported.difference(&checked).collect();
    assert!(unchecked.is_empty(), "{unchecked:?}");
}

#[test]
fn central_differences_of_a_polynomial() {
    let at = array![[1.0, -2.0], [0.5, 30.0]];
    let gradient = central_difference(at.view(), |x| x.mapv(|x| x * x * x).sum());
    assert!(relative_error(gradient.view(), at.mapv(|x| 3.0 * x * x).view()) < 1e-8);
}

#[test]
fn a_wrong_gradient_has_a_large_error() {
    let right = array![1.0, 2.0, 0.0];
    assert_eq!(relative_error(right.view(), right.view()), 0.0);
    assert_eq!(relative_error(array![1.0, 1.0, 0.0].view(), right.view()), 0.5);
    assert_eq!(relative_error(array![1.0, 2.0, 0.01].view(), right.view()), 0.5);
    assert_eq!(relative_error(array![f64::NAN, 2.0, 0.0].view(), right.view()), f64::INFINITY);
    assert_eq!(relative_error(array![0.0].view(), array![0.0].view()), 0.0);
}
