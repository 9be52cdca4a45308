//! Similarities, aligned faces, and aligned faces that another program made.

use std::path::{Path, PathBuf};

use facenet_data::{
    Alignment, Coordinates, Crop, Error, FaceSet, Framing, LandmarkList, Landmarks, LoadOptions, align, load_faces,
    read_picture,
};

fn data(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FACENET_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is missing", path.display());
        return None;
    }
    Some(path)
}

const Y1: [[f32; 2]; 5] =
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]];
const RETAIL: [[f32; 2]; 5] = [
    [0.31556875, 0.46157411],
    [0.68262292, 0.46157411],
    [0.5002625, 0.64050536],
    [0.34947188, 0.82469196],
    [0.65343646, 0.82325089],
];

#[test]
fn golden() {
    let Some(lfw) = data("lfw") else { return };
    let list = LandmarkList::read(&lfw.join("lfw_landmark_5pt_mtcnn_raw250.txt")).unwrap();
    for (folder, template, side) in [
        ("golden/mobilefacenet_y1/aligned112", Landmarks(Y1), 112),
        ("golden/face-reidentification-retail-0095/aligned128", Landmarks(RETAIL.map(|p| p.map(|x| x * 128.0))), 128),
    ] {
        let Some(folder) = data(folder) else { return };
        for half in [0.0, 0.5, -0.5] {
            let mut n = 0.0;
            let mut sum = 0.0;
            let mut signed = 0.0;
            let mut hist = [0; 512];
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let golden = read_picture(&path).unwrap();
                let name = path.file_stem().unwrap().to_str().unwrap();
                let person = &name[..name.len() - 5];
                let rel = format!("{person}/{name}.jpg");
                let picture = read_picture(&lfw.join("images").join(&rel)).unwrap();
                let landmarks = list.get(Path::new(&rel)).unwrap().shifted([-45.0 - half, -45.0 - half]);
                let t = template.shifted([-half, -half]);
                let face = align(picture.view(), &landmarks, &t, [side, side]).unwrap();
                for (a, b) in face.iter().zip(&golden) {
                    let d = i32::from(*a) - i32::from(*b);
                    hist[(d + 256) as usize] += 1;
                    sum += f64::from(d.abs());
                    signed += f64::from(d);
                    n += 1.0;
                }
            }
            let h: Vec<_> =
                hist.iter().enumerate().filter(|(_, c)| **c > 0).map(|(d, c)| (d as i32 - 256, *c)).collect();
            println!("{side} half {half}: mean abs {} signed {} {:?}", sum / n, signed / n, &h);
        }
    }
}
