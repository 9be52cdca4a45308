use super::*;

/// A MATLAB file with a matrix of bytes, `faces`.
pub(in crate::download) fn matlab_file(rows: u32, columns: u32, values: &[u8]) -> Vec<u8> {
    let element = |kind: u32, bytes: &[u8]| {
        let mut element = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        element.extend(bytes);
        element.resize(element.len().next_multiple_of(8), 0);
        element
    };
    let words = |words: [u32; 2]| words.map(u32::to_le_bytes).concat();
    // A matrix of doubles, each stored in the one byte that it needs.
    let parts =
        [element(6, &words([6, 0])), element(5, &words([rows, columns])), element(1, b"faces"), element(2, values)];
    let mut file = vec![b' '; 124];
    file.extend(b"\x00\x01IM");
    file.extend(element(14, &parts.concat()));
    file
}

/// Grey level of a pixel of a picture, unlike its neighbours'.
pub(in crate::download) fn grey(picture: usize, row: usize, column: usize) -> u8 {
    (picture * 31 + row * 3 + column * 5 + row * column / 7) as u8
}

/// The matrix of so many pictures.
pub(in crate::download) fn faces(pictures: usize) -> Vec<u8> {
    let mut values = Vec::new();
    for picture in 0..pictures {
        for column in 0..SIDE {
            values.extend((0..SIDE).map(|row| grey(picture, row, column)));
        }
    }
    matlab_file((SIDE * SIDE) as u32, pictures as u32, &values)
}

#[test]
fn columns_become_upright_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("olivettifaces.mat"), folder.path().join("out"));
    fs::write(&file, faces(20)).unwrap();
    write_pictures(File::open(&file).unwrap(), &file, 2, &out).unwrap();
    for (number, path) in [(0, "s1/1.png"), (9, "s1/10.png"), (10, "s2/1.png"), (19, "s2/10.png")] {
        let picture = image::open(out.join(path)).unwrap();
        assert_eq!((picture.color(), picture.width(), picture.height()), (image::ColorType::L8, 64, 64));
        let picture = picture.into_luma8();
        for (x, y, pixel) in picture.enumerate_pixels() {
            assert_eq!(pixel.0, [grey(number, y as usize, x as usize)], "{path}, row {y}, column {x}");
        }
    }
    let people: Vec<_> = fs::read_dir(&out).unwrap().collect();
    assert_eq!(people.len(), 2);
}

#[test]
fn other_matrices_are_refused() {
    for (bytes, message) in [
        (faces(19), "4096 x 19, expected 4096 x 20"),
        (matlab_file(2, 3, &[0; 6]), "2 x 3, expected 4096 x 20"),
        (b"rubbish".to_vec(), "not a MATLAB 5 file"),
    ] {
        let error = format!("{:#}", pictures(&bytes, 2).unwrap_err());
        assert!(error.contains(message), "{error}");
    }
    // Numbers that are no grey levels: the bytes are read as signed ones.
    let mut signed = faces(20);
    let kind = 128 + 8 + 16 + 16 + 16;
    assert_eq!(signed[kind], 2);
    signed[kind] = 1;
    let error = format!("{:#}", pictures(&signed, 2).unwrap_err());
    assert!(error.contains("is no grey level from 0 to 255"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rubbish.mat");
    fs::write(&file, "rubbish").unwrap();
    let error = write_pictures(File::open(&file).unwrap(), &file, 2, Path::new("out")).unwrap_err();
    assert!(format!("{error:#}").contains("rubbish.mat can't be used"), "{error:#}");
}
