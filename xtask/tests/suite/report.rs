//! The report page of a run: self-contained, and rendered in a real browser.

use std::fs;
use std::path::{Path, PathBuf};

use facenet_tests::{Browser, Program, TINY_RECIPE, Theme, data, write_people};
use serde_json::Value;
use tempfile::TempDir;

/// Maximum size in bytes, for any number of images.
const LIMIT: usize = 5_000_000;

/// Runs in `folder` and returns the path of the page.
fn run(folder: &Path, arguments: &[&str]) -> PathBuf {
    let finished =
        Program::new(env!("CARGO_BIN_EXE_xtask"), folder).run([&["run", "--out", "out"], arguments].concat());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("out/report.html"), "{finished:?}");
    folder.join("out/report.html")
}

/// Checks that the page is self-contained: no external addresses, no scripts.
#[track_caller]
fn assert_complete(html: &str) {
    assert!(html.len() < LIMIT, "{} bytes", html.len());
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>"));
    for outside in ["<script", "http:", "https:", "<link", "<iframe", "@import", "javascript:", " onload", " onerror"] {
        assert!(!html.contains(outside), "{outside}");
    }
    for address in ["src=", "href=", "url("] {
        for (at, _) in html.match_indices(address) {
            let rest = html[at + address.len()..].trim_start_matches('"');
            assert!(
                rest.starts_with("data:image/jpeg;base64,") || rest.starts_with("#hatched)"),
                "{:.60}",
                &html[at..]
            );
        }
    }
}

/// Layout errors of the page, and counts of its images, charts and texts.
const LOOK: &str = r"
    const wrong = [];
    for (const details of document.querySelectorAll('details')) details.open = true;
    if (document.documentElement.scrollWidth > innerWidth + 1)
        wrong.push(`wider than the window: ${document.documentElement.scrollWidth} of ${innerWidth}`);

    // Every image can be shown and says what it is.
    const images = [...document.images];
    for (const image of images)
        if (!image.complete || image.naturalWidth === 0 || !image.alt) wrong.push(`image ${image.alt}`);

    // Texts of a chart lie within it, and apart from each other.
    const charts = [...document.querySelectorAll('svg.chart, svg.dendrogram')];
    for (const chart of charts) {
        const frame = chart.getBoundingClientRect();
        const texts = [...chart.querySelectorAll('text')].map(text => [text.textContent, text.getBoundingClientRect()]);
        for (const [name, box] of texts)
            if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
                wrong.push(`outside its chart: ${name}`);
        texts.forEach(([name, box], index) => texts.slice(index + 1).forEach(([other, next]) => {
            const across = Math.min(box.right, next.right) - Math.max(box.left, next.left);
            const down = Math.min(box.bottom, next.bottom) - Math.max(box.top, next.top);
            // Lines of text have some air in their boxes.
            if (across > 1 && down > 0.35 * Math.min(box.height, next.height)) wrong.push(`${name} over ${other}`);
        }));
    }

    // Texts stand out from what is behind them: 4.5 to 1 (WCAG 2, AA).
    const numbers = color => color.match(/[\d.]+/g).map(Number);
    const light = color => {
        const [r, g, b] = numbers(color).map(level => {
            const share = level / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if ((numbers(color)[3] ?? 1) > 0.99) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    let texts = 0, least = 21;
    for (const element of document.querySelectorAll('main *')) {
        if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
        const style = getComputedStyle(element);
        const [a, b] = [light(element instanceof SVGElement ? style.fill : style.color), light(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        texts += 1;
        least = Math.min(least, contrast);
        if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${element.textContent.slice(0, 40)}`);
    }
    return JSON.stringify({ wrong, images: images.length, charts: charts.length, texts, least, width: innerWidth });
";

/// Checks the layout at desktop and phone size, in both themes.
fn check_layout(page: &Path) {
    let Some(browser) = Browser::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    for theme in [Theme::Light, Theme::Dark] {
        for size in [[1200, 1600], [500, 900]] {
            let seen: Value = serde_json::from_str(&browser.evaluate(page, size, theme, LOOK)).unwrap();
            println!("{theme:?} {size:?}: {seen}");
            assert_eq!(seen["wrong"], Value::Array(Vec::new()), "{theme:?} {size:?}");
            assert_eq!(seen["charts"], 7, "two histograms, a ROC curve, a dendrogram, three curves of training");
            assert!(seen["images"].as_u64().unwrap() > 0 && seen["texts"].as_u64().unwrap() > 100);
        }
        let image = folder.path().join("page.png");
        browser.screenshot(page, [1200, 1600], theme, &image);
        let image = image::open(&image).unwrap().into_luma8();
        assert_eq!(image.dimensions(), (1200, 1600));
        let ground = image.get_pixel(2, 2).0[0];
        assert!(if theme == Theme::Dark { ground < 50 } else { ground > 230 }, "{theme:?}: {ground}");
        let different = image.pixels().filter(|pixel| pixel.0[0].abs_diff(ground) > 60).count();
        assert!(different > 20_000, "{theme:?}: {different} pixels stand out");
    }
}

#[test]
fn a_page_of_synthetic_people() {
    let folder = tempfile::tempdir().unwrap();
    let page = run(folder.path(), &["--quick", "--steps", "4", "--seed", "5"]);
    let html = fs::read_to_string(&page).unwrap();
    assert_complete(&html);
    let result: Value = serde_json::from_slice(&fs::read(page.with_file_name("result.json")).unwrap()).unwrap();
    for hash in ["network_sha256", "data_sha256", "weights_sha256"] {
        assert!(html.contains(result[hash].as_str().unwrap()), "{hash}");
    }
    let accuracy = result["verification"]["accuracy"].as_f64().unwrap();
    for text in [
        &format!("{accuracy:.3}"),
        "cargo xtask run --out out --quick --steps 4 --seed 5",
        "Trained on 30 people; thresholds chosen on 10; scored on 50 images of 10 unseen people.",
        "compact_inception",
        "all steps done",
        "[learning_rate]",
        "person-0040/0",
    ] {
        assert!(html.contains(text), "{text}");
    }
    check_layout(&page);
}

#[test]
fn a_page_of_real_people() {
    if data("orl").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = data("").unwrap();
    let page = run(folder.path(), &["--dataset", "orl", "--steps", "30", "--data", root.to_str().unwrap()]);
    assert_complete(&fs::read_to_string(&page).unwrap());
    check_layout(&page);
}

/// Six people with two images each, renamed.
fn people(rename: impl Fn(usize) -> String) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_people(&folder.path().join("people"), 6, 2);
    for person in 1..=6 {
        let [old, new] = [format!("p{person}"), rename(person)].map(|name| folder.path().join("people").join(name));
        fs::rename(old, new).unwrap();
    }
    fs::write(folder.path().join("tiny.toml"), TINY_RECIPE).unwrap();
    folder
}

#[test]
fn names_are_escaped() {
    let nasty = r#"p"><script>alert(1)</script><img src=x onerror=alert(1)> &amp; 'so'"#.replace('/', "|");
    let folder = people(|person| format!("{nasty} {person}"));
    let page = run(folder.path(), &["--dataset", "people", "--recipe", "tiny.toml"]);
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!((html.matches("<script").count(), html.matches("<img src=x").count()), (0, 0));
    assert!(html.contains("p&quot;&gt;&lt;script&gt;alert(1)"));
    check_layout(&page);
}

#[test]
fn training_removes_an_earlier_page() {
    let folder = people(|person| format!("p{person}"));
    let page = run(folder.path(), &["--dataset", "people", "--recipe", "tiny.toml"]);
    let program = Program::new(env!("CARGO_BIN_EXE_xtask"), folder.path());
    let finished = program.run(["train", "--out", "out", "--dataset", "people", "--recipe", "tiny.toml"]);
    assert_eq!((finished.code, page.exists()), (Some(0), false), "{finished:?}");
}
