use facenet_tests::{matlab_file, olivetti_file, olivetti_gray};

use super::*;

#[test]
fn columns_become_upright_images() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("olivettifaces.mat"), folder.path().join("out"));
    fs::write(&file, olivetti_file(20)).unwrap();
    write_images(File::open(&file).unwrap(), &file, 2, &out).unwrap();
    for (number, path) in [(0, "s1/1.png"), (9, "s1/10.png"), (10, "s2/1.png"), (19, "s2/10.png")] {
        let image = image::open(out.join(path)).unwrap();
        assert_eq!((image.color(), image.width(), image.height()), (image::ColorType::L8, 64, 64));
        let image = image.into_luma8();
        for (x, y, pixel) in image.enumerate_pixels() {
            assert_eq!(pixel.0, [olivetti_gray(number, y as usize, x as usize)], "{path}, row {y}, column {x}");
        }
    }
    let people: Vec<_> = fs::read_dir(&out).unwrap().collect();
    assert_eq!(people.len(), 2);
}

#[test]
fn other_matrices_are_refused() {
    for (bytes, message) in [
        (olivetti_file(19), "4096 x 19, expected 4096 x 20"),
        (matlab_file(2, 3, &[0; 6]), "2 x 3, expected 4096 x 20"),
        (b"rubbish".to_vec(), "not a MATLAB 5 file"),
    ] {
        let error = images(&bytes, 2).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    // Values that are not grey levels: the bytes are read as signed.
    let mut signed = olivetti_file(20);
    let kind = 128 + 8 + 16 + 16 + 16;
    assert_eq!(signed[kind], 2);
    signed[kind] = 1;
    let error = images(&signed, 2).unwrap_err().to_string();
    assert!(error.contains("is not a grey level from 0 to 255"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rubbish.mat");
    fs::write(&file, "rubbish").unwrap();
    let error = write_images(File::open(&file).unwrap(), &file, 2, Path::new("out")).unwrap_err();
    assert!(error.to_string().contains("rubbish.mat can't be used"), "{error}");
}
