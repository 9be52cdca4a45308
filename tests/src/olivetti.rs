//! MATLAB files like that of the Olivetti faces.

/// Height and width of an image in pixels.
const SIDE: usize = 64;

/// A MATLAB 5 file with a matrix of bytes, `faces`; `values` is column-major.
#[must_use]
pub fn matlab_file(rows: u32, columns: u32, values: &[u8]) -> Vec<u8> {
    let element = |kind: u32, bytes: &[u8]| {
        let mut element = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        element.extend(bytes);
        element.resize(element.len().next_multiple_of(8), 0);
        element
    };
    let words = |words: [u32; 2]| words.map(u32::to_le_bytes).concat();
    // A matrix of doubles, stored compactly as bytes.
    let parts =
        [element(6, &words([6, 0])), element(5, &words([rows, columns])), element(1, b"faces"), element(2, values)];
    let mut file = vec![b' '; 124];
    file.extend(b"\x00\x01IM");
    file.extend(element(14, &parts.concat()));
    file
}

/// The gray level of a pixel of [`olivetti_file`]; neighbors differ.
#[must_use]
pub fn olivetti_gray(image: usize, row: usize, column: usize) -> u8 {
    (image * 31 + row * 3 + column * 5 + row * column / 7) as u8
}

/// A file of `images` 64 x 64 images in the format of `olivettifaces.mat`.
#[must_use]
pub fn olivetti_file(images: usize) -> Vec<u8> {
    let mut values = Vec::new();
    for image in 0..images {
        for column in 0..SIDE {
            values.extend((0..SIDE).map(|row| olivetti_gray(image, row, column)));
        }
    }
    matlab_file((SIDE * SIDE) as u32, images as u32, &values)
}
