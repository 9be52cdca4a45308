//! `cargo xtask gradcheck`: checks every hand-written gradient against central differences.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Result, ensure};
use facenet_cli::output::print::print;
use facenet_training::gradient_checks;
use serde::Serialize;

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    passed: bool,
    bound: f64,
    gradients: Vec<Gradient>,
}

/// The worst case of one gradient.
#[derive(Serialize)]
struct Gradient {
    operation: &'static str,
    gradient: &'static str,
    cases: usize,
    worst_case: String,
    relative_error: f64,
    passed: bool,
}

/// Checks all gradients and prints a table; an error if one is out of bounds.
pub fn command(arguments: &Arguments) -> Result<()> {
    let checks = gradient_checks();
    let mut gradients: BTreeMap<(&str, &str), Gradient> = BTreeMap::new();
    let mut bound: f64 = 0.0;
    for check in checks {
        bound = bound.max(check.bound);
        let passed = check.passed();
        let worst = gradients.entry((check.operation, check.gradient)).or_insert_with(|| Gradient {
            operation: check.operation,
            gradient: check.gradient,
            cases: 0,
            worst_case: String::new(),
            relative_error: -1.0,
            passed: true,
        });
        worst.cases += 1;
        worst.passed &= passed;
        if check.relative_error > worst.relative_error {
            worst.relative_error = check.relative_error;
            worst.worst_case = check.case;
        }
    }
    let gradients: Vec<Gradient> = gradients.into_values().collect();
    let report = Report { passed: gradients.iter().all(|gradient| gradient.passed), bound, gradients };

    let mut text = format!("{:<24}{:<14}{:>6}{:>10}\n", "operation", "gradient", "cases", "error");
    for gradient in &report.gradients {
        let verdict = if gradient.passed { "" } else { "  FAILED: " };
        let case = if gradient.passed { "" } else { &gradient.worst_case };
        let Gradient { operation, gradient, cases, relative_error, .. } = gradient;
        writeln!(text, "{operation:<24}{gradient:<14}{cases:>6}{relative_error:>10.1e}{verdict}{case}")?;
    }
    writeln!(text, "\nlargest relative error over all cases, against central differences in f64; bound {bound:.0e}")?;
    print(arguments.json, &report, &text)?;
    let failed = report.gradients.iter().filter(|gradient| !gradient.passed).count();
    ensure!(report.passed, "{failed} gradients disagree with central differences");
    Ok(())
}
