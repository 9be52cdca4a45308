//! Gradients of whole networks.

use facenet_network::network_gradient_checks;

#[test]
fn gradients_of_whole_networks_agree_with_central_differences() {
    let checks = network_gradient_checks();
    assert_eq!(checks.len(), 4);
    for check in checks {
        println!("{check:?}");
        assert!(check.passed(), "{check:#?}");
    }
}
