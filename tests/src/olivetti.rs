//! MATLAB files like the one of the Olivetti faces.

/// Height and width of a picture in pixels.
const SIDE: usize = 64;

/// A MATLAB 5 file with one matrix of bytes, `faces`, whose elements are given column by column.
#[must_use]
pub fn matlab_file(rows: u32, columns: u32, values: &[u8]) -> Vec<u8> {
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

/// The grey level of a pixel of [`olivetti_file`], unlike its neighbours'.
#[must_use]
pub fn olivetti_grey(picture: usize, row: usize, column: usize) -> u8 {
    (picture * 31 + row * 3 + column * 5 + row * column / 7) as u8
}

/// A file of this many 64 x 64 pictures in the format of `olivettifaces.mat`.
#[must_use]
pub fn olivetti_file(pictures: usize) -> Vec<u8> {
    let mut values = Vec::new();
    for picture in 0..pictures {
        for column in 0..SIDE {
            values.extend((0..SIDE).map(|row| olivetti_grey(picture, row, column)));
        }
    }
    matlab_file((SIDE * SIDE) as u32, pictures as u32, &values)
}
