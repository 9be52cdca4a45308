//! `cargo xtask run`: the whole pipeline, from images to scores.

use std::fmt::Write;

use anyhow::Result;
use facenet_cli::PROGRAM;
use facenet_cli::output::command_line::command_line;
use facenet_cli::output::print::print;
use facenet_cli::output::progress_bar::Bar;
use facenet_data::{escape_path, write_atomically};
use facenet_report::{Provenance, Report};
use facenet_training::{CHECKPOINT_FILE, Evaluation, REPORT_FILE, RESULT_FILE, RunReport, run};
use serde::Serialize;

use crate::arguments::TrainingArguments;
use crate::{interrupt, progress};

/// The arguments of the command.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    training: TrainingArguments,
}

/// The result with its provenance.
#[derive(Serialize)]
struct RunResult<'a> {
    #[serde(flatten)]
    report: &'a RunReport,
    provenance: &'a Provenance,
}

/// Runs, writes the result and the report page, prints the result.
pub fn command(Arguments { training }: &Arguments) -> Result<()> {
    let provenance = Provenance::now(command_line("cargo xtask"), PROGRAM);
    training.set_threads()?;
    let stop = interrupt::flag()?;
    let options = training.options()?;
    let bar = Bar::new();
    let finished = run(&options, &stop, &|step| progress::show(&bar, step));
    bar.clear();
    let run = finished.map_err(|error| training.explain(error))?;
    let [checkpoint, result, page] = [CHECKPOINT_FILE, RESULT_FILE, REPORT_FILE].map(|file| options.out.join(file));
    let report = RunResult { report: &run.report, provenance: &provenance };
    write_atomically(&result, |file| {
        serde_json::to_writer_pretty(&mut *file, &report)?;
        file.write_all(b"\n")
    })?;
    let html = Report { run: &run, provenance: &provenance }.html();
    write_atomically(&page, |file| file.write_all(html.as_bytes()))?;
    let mut text = table(&run.report);
    writeln!(text, "\n{} and {} written", escape_path(&checkpoint), escape_path(&result))?;
    writeln!(text, "{} written; open it in a browser", escape_path(&page))?;
    print(training.json, &report, &text)
}

/// The result as text.
fn table(report: &RunReport) -> String {
    let train = &report.train;
    let mut text = format!(
        "{}: {} trained on {} images of {} people, {} steps in {:.0} s ({})\nseed {}, {} threads, weights {}, {:.0} s in total\n{}\n\n",
        report.dataset,
        report.network,
        train.images,
        train.people,
        train.steps,
        train.seconds,
        report.stopped_by,
        report.seed,
        report.threads,
        &report.weights_sha256[..16],
        report.seconds_total,
        report.faces.sources
    );
    let mut row = |name: &str, score: &dyn Fn(&Evaluation) -> String| {
        let _ = writeln!(text, "{name:<40}{:>18}{:>18}", score(&report.embeddings), score(&report.pixels));
    };
    row("unseen people", &|evaluation| {
        if std::ptr::eq(evaluation, &report.pixels) { "raw pixels".to_owned() } else { "embeddings".to_owned() }
    });
    row("verification: accuracy", &|e| {
        format!("{:.3} ± {:.3}", e.verification.accuracy, e.verification.standard_error)
    });
    row("  area under the ROC curve", &|e| format!("{:.3}", e.verification.auc));
    row("  equal error rate", &|e| format!("{:.3}", e.verification.eer));
    row("  threshold (squared distance)", &|e| format!("{:.3}", e.verification.threshold));
    row("identification: rank 1", &|e| format!("{:.3}", e.identification.rank1));
    row("  correct and within the threshold", &|e| {
        format!("{:.3}", e.identification.open_set.detection_and_identification_rate)
    });
    row("k-means, number of people given: B-cubed F", &|e| format!("{:.3}", e.clustering.kmeans.bcubed_f));
    row("agglomerative: B-cubed F", &|e| format!("{:.3}", e.clustering.agglomerative.report.bcubed_f));
    row("  clusters / people", &|e| {
        let scores = &e.clustering.agglomerative.report;
        format!("{} / {}", scores.clusters, scores.identities)
    });
    let _ = writeln!(text, "\n{} pairs; ± standard error over people", report.embeddings.verification.pairs);
    text
}
