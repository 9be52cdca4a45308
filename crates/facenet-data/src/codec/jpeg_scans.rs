//! The entropy-coded data of JPEG files (ITU T.81): sequential and progressive, Huffman-coded.
//!
//! Two things need it that the decoder of whole images does not offer. Coefficients of low
//! frequencies are enough for a photo at a reduced scale, and are all that is stored. And whether
//! all blocks of an image are there is found out by decoding them.

use crate::codec::jpeg_segments::{
    HUFFMAN_TABLES, JpegSegments, QUANTIZATION_TABLES, RESTART_INTERVAL, SCAN, starts_frame,
};

/// Why the coefficients of a JPEG can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JpegError {
    /// The file, or the data of a scan, ends early.
    Truncated,
    /// The content is not valid.
    Damaged(&'static str),
    /// A process of T.81 that is not supported.
    Unsupported(&'static str),
}

/// Row and column of the coefficients in the order in which they are coded (T.81, figure A.6).
pub(crate) const ZIGZAG: [(u8, u8); 64] = zigzag();

const fn zigzag() -> [(u8, u8); 64] {
    let mut order = [(0, 0); 64];
    let (mut row, mut column) = (0_u8, 0_u8);
    let mut at = 0;
    while at < 64 {
        order[at] = (row, column);
        // Even diagonals run upwards, odd ones downwards.
        match ((row + column) % 2 == 0, row, column) {
            (true, _, 7) | (false, 7, _) => {
                if (row + column) % 2 == 0 {
                    row += 1;
                } else {
                    column += 1;
                }
            }
            (true, 0, _) => column += 1,
            (false, _, 0) => row += 1,
            (true, _, _) => {
                row -= 1;
                column += 1;
            }
            (false, _, _) => {
                row += 1;
                column -= 1;
            }
        }
        at += 1;
    }
    order
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Sequential,
    Progressive,
}

/// A frame header (T.81, B.2.2).
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) process: Process,
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) components: Vec<Component>,
}

/// A color component of a frame.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    identifier: u8,
    /// Horizontal and vertical sampling factor: blocks of each minimum coded unit.
    pub(crate) across: usize,
    pub(crate) down: usize,
    quantization_table: usize,
}

impl Frame {
    /// The frame header of a file.
    pub(crate) fn of(segments: &JpegSegments<'_>) -> Result<Self, JpegError> {
        let mut header = segments.clone().take_while(|(marker, _)| *marker != SCAN);
        let (marker, payload) = header.find(|(marker, _)| starts_frame(*marker)).ok_or(JpegError::Truncated)?;
        Self::parse(marker, payload)
    }

    fn parse(marker: u8, payload: &[u8]) -> Result<Self, JpegError> {
        let process = match marker {
            0xc0 | 0xc1 => Process::Sequential,
            0xc2 => Process::Progressive,
            0xc9.. => return Err(JpegError::Unsupported("arithmetic coding")),
            _ => return Err(JpegError::Unsupported("lossless and hierarchical coding")),
        };
        let &[precision, h1, h0, w1, w0, count, ref specifications @ ..] = payload else {
            return Err(JpegError::Damaged("a frame header is too short"));
        };
        if precision != 8 {
            return Err(JpegError::Unsupported("samples of other than 8 bits"));
        }
        let specifications = specifications.as_chunks::<3>().0;
        if specifications.len() < count.into() || !matches!(count, 1..=4) {
            return Err(JpegError::Damaged("a frame header has a wrong number of components"));
        }
        let components = specifications[..count.into()].iter().map(|&[identifier, factors, table]| Component {
            identifier,
            across: (factors >> 4).into(),
            down: (factors & 15).into(),
            quantization_table: table.into(),
        });
        let mut components: Vec<_> = components.collect();
        if components.iter().any(|c| !(1..=4).contains(&c.across) || !(1..=4).contains(&c.down)) {
            return Err(JpegError::Damaged("a sampling factor is not in 1..=4"));
        }
        if let [only] = &mut components[..] {
            // A single component is not interleaved, whatever its factors (T.81, A.2.2).
            (only.across, only.down) = (1, 1);
        }
        let [height, width] = [[h1, h0], [w1, w0]].map(|side| usize::from(u16::from_be_bytes(side)));
        if height == 0 || width == 0 {
            return Err(JpegError::Damaged("a frame has no height or width"));
        }
        Ok(Self { process, width, height, components })
    }

    /// The largest sampling factors, horizontal and vertical.
    pub(crate) fn largest_factors(&self) -> [usize; 2] {
        let largest = |factor: fn(&Component) -> usize| self.components.iter().map(factor).max().unwrap_or(1);
        [largest(|component| component.across), largest(|component| component.down)]
    }

    /// Whether the first component has fewer samples than another one.
    pub(crate) fn is_first_subsampled(&self) -> bool {
        let [across, down] = self.largest_factors();
        self.components.first().is_some_and(|first| first.across < across || first.down < down)
    }

    /// Minimum coded units across and down.
    pub(crate) fn units(&self) -> [usize; 2] {
        let [across, down] = self.largest_factors();
        [self.width.div_ceil(8 * across), self.height.div_ceil(8 * down)]
    }

    /// Blocks of a component in whole minimum coded units, across and down.
    pub(crate) fn blocks(&self, component: &Component) -> [usize; 2] {
        let [across, down] = self.units();
        [across * component.across, down * component.down]
    }
}

/// The coefficients of low frequencies of a component.
pub(crate) struct Coefficients {
    /// Rows and columns of coefficients that are stored of each block.
    pub(crate) stored: [usize; 2],
    /// Blocks across, in whole minimum coded units.
    pub(crate) blocks_across: usize,
    /// Block after block, row after row: the stored coefficients of a block, row-major.
    pub(crate) levels: Vec<i16>,
    /// The step between levels, of each coefficient in zigzag order; set by the first scan.
    pub(crate) quantization: Option<[u16; 64]>,
    /// Of a progressive image, which coefficients of each block are not 0, by bits in zigzag order.
    nonzero: Vec<u64>,
    /// Index of each coefficient among those stored, in zigzag order.
    slots: [Option<u8>; 64],
    /// The bits of each coefficient, in zigzag order, that scans have not brought yet.
    missing_bits: [u8; 64],
}

/// No scan has brought any bit of a coefficient.
const ALL_BITS: u8 = 16;

impl Coefficients {
    fn new(frame: &Frame, component: &Component, stored: [usize; 2]) -> Self {
        let [across, down] = frame.blocks(component);
        let mut slots = [None; 64];
        for (slot, (row, column)) in slots.iter_mut().zip(ZIGZAG) {
            if usize::from(row) < stored[0] && usize::from(column) < stored[1] {
                *slot = Some(row * stored[1] as u8 + column);
            }
        }
        let bitmaps = match frame.process {
            Process::Progressive => across * down,
            Process::Sequential => 0,
        };
        Self {
            stored,
            blocks_across: across,
            levels: vec![0; across * down * stored[0] * stored[1]],
            quantization: None,
            nonzero: vec![0; bitmaps],
            slots,
            missing_bits: [ALL_BITS; 64],
        }
    }

    /// The bytes that [`Coefficients::new`] allocates.
    pub(crate) fn byte_count(frame: &Frame, component: &Component, stored: [usize; 2]) -> u64 {
        let [across, down] = frame.blocks(component);
        let of_block = 2 * stored[0] * stored[1] + if frame.process == Process::Progressive { 8 } else { 0 };
        across as u64 * down as u64 * of_block as u64
    }

    fn level(&mut self, block: usize, zigzag: usize) -> Option<&mut i16> {
        let slot = self.slots[zigzag]?;
        self.levels.get_mut(block * self.stored[0] * self.stored[1] + usize::from(slot))
    }

    fn set(&mut self, block: usize, zigzag: usize, value: i32) {
        if let Some(level) = self.level(block, zigzag) {
            *level = value as i16;
        }
    }
}

/// The content of all scans of a file.
pub(crate) struct Scans {
    pub(crate) frame: Frame,
    pub(crate) components: Vec<Coefficients>,
    /// Where the data ends with which all coefficients of all blocks were complete; `None` if they
    /// never were.
    pub(crate) complete_at: Option<usize>,
}

impl Scans {
    /// Decodes the scans of a file. `stored` gives the rows and columns of coefficients that are
    /// stored of each block of each component, from the lowest frequencies on.
    ///
    /// An error says how the file ends or what is wrong with it; what was read before is returned
    /// in any case.
    pub(crate) fn read(
        bytes: &[u8],
        frame: Frame,
        stored: impl Fn(&Frame, &Component) -> [usize; 2],
    ) -> (Self, Result<(), JpegError>) {
        let components =
            frame.components.iter().map(|component| Coefficients::new(&frame, component, stored(&frame, component)));
        let mut scans = Self { components: components.collect(), frame, complete_at: None };
        let result = scans.read_segments(bytes);
        (scans, result)
    }

    fn read_segments(&mut self, bytes: &[u8]) -> Result<(), JpegError> {
        let mut tables = Tables::default();
        let mut segments = JpegSegments::new(bytes);
        let mut frames = 0;
        while let Some((marker, payload)) = segments.next() {
            match marker {
                HUFFMAN_TABLES => tables.define_huffman_tables(payload)?,
                QUANTIZATION_TABLES => tables.define_quantization_tables(payload)?,
                RESTART_INTERVAL => match payload {
                    &[high, low, ..] => tables.restart_interval = u16::from_be_bytes([high, low]).into(),
                    _ => return Err(JpegError::Damaged("a restart interval is too short")),
                },
                SCAN => {
                    if frames != 1 {
                        return Err(JpegError::Damaged("a scan does not belong to one frame"));
                    }
                    let scan = ScanHeader::parse(payload, &self.frame)?;
                    let mut bits = Bits::new(bytes, segments.position());
                    self.read_scan(&scan, &tables, &mut bits)?;
                    segments.continue_at(bits.position());
                    let mut missing = self.components.iter().flat_map(|component| component.missing_bits);
                    if self.complete_at.is_none() && missing.all(|bits| bits == 0) {
                        self.complete_at = Some(bits.position());
                    }
                }
                _ if starts_frame(marker) => frames += 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_scan(&mut self, scan: &ScanHeader, tables: &Tables, bits: &mut Bits<'_>) -> Result<(), JpegError> {
        for component in &scan.components {
            let table = self.frame.components[component.index].quantization_table;
            let coefficients = &mut self.components[component.index];
            // The table in force at the first scan of a component is that of all its scans.
            if coefficients.quantization.is_none() {
                coefficients.quantization = tables.quantization.get(table).copied().flatten();
            }
        }
        let [units_across, units_down] = self.frame.units();
        let [most_across, most_down] = self.frame.largest_factors();
        let mut state = ScanState::default();
        let mut unit = 0;
        let mut begin_unit = |state: &mut ScanState, bits: &mut Bits<'_>| {
            if tables.restart_interval > 0 && unit > 0 && unit % tables.restart_interval == 0 {
                bits.restart((unit / tables.restart_interval - 1) as u8 % 8)?;
                *state = ScanState::default();
            }
            unit += 1;
            Ok::<_, JpegError>(())
        };
        if let [only] = &scan.components[..] {
            // Not interleaved: block by block, without those that only fill up units.
            let component = &self.frame.components[only.index];
            let across = (self.frame.width * component.across).div_ceil(8 * most_across);
            let down = (self.frame.height * component.down).div_ceil(8 * most_down);
            let decoder = BlockDecoder::new(scan, only, tables, self.frame.process)?;
            let coefficients = &mut self.components[only.index];
            for row in 0..down {
                for column in 0..across {
                    begin_unit(&mut state, bits)?;
                    let block = row * coefficients.blocks_across + column;
                    decoder.decode(bits, coefficients, block, &mut state.predictors[0], &mut state.end_of_band_run)?;
                }
            }
        } else {
            let decoders = scan.components.iter().map(|part| BlockDecoder::new(scan, part, tables, self.frame.process));
            let decoders = decoders.collect::<Result<Vec<_>, _>>()?;
            for row in 0..units_down {
                for column in 0..units_across {
                    begin_unit(&mut state, bits)?;
                    for (at, (part, decoder)) in scan.components.iter().zip(&decoders).enumerate() {
                        let component = &self.frame.components[part.index];
                        let coefficients = &mut self.components[part.index];
                        for block in 0..component.across * component.down {
                            let block_row = row * component.down + block / component.across;
                            let block_column = column * component.across + block % component.across;
                            let block = block_row * coefficients.blocks_across + block_column;
                            let predictor = &mut state.predictors[at];
                            decoder.decode(bits, coefficients, block, predictor, &mut state.end_of_band_run)?;
                        }
                    }
                }
            }
        }
        bits.check_not_zero_filled()?;
        for part in &scan.components {
            self.components[part.index].missing_bits[scan.band.clone()].fill(scan.low_bit);
        }
        Ok(())
    }
}

/// A scan header (T.81, B.2.3).
struct ScanHeader {
    components: Vec<ScanComponent>,
    /// The coefficients that the scan brings, in zigzag order.
    band: std::ops::Range<usize>,
    /// Whether the scan is the first to bring bits of its coefficients, or one more bit.
    pass: Pass,
    /// The lowest bit that the scan brings.
    low_bit: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    Refinement,
}

struct ScanComponent {
    /// Index in the frame.
    index: usize,
    dc_table: usize,
    ac_table: usize,
}

impl ScanHeader {
    fn parse(payload: &[u8], frame: &Frame) -> Result<Self, JpegError> {
        let damaged = JpegError::Damaged("a scan header is not valid");
        let (&count, rest) = payload.split_first().ok_or(damaged)?;
        let count = usize::from(count);
        let (Some(selectors), Some(&[start, end, bits])) =
            (rest.get(..2 * count), rest.get(2 * count..).and_then(|rest| rest.first_chunk()))
        else {
            return Err(damaged);
        };
        let mut components: Vec<ScanComponent> = Vec::new();
        for &[identifier, tables] in selectors.as_chunks().0 {
            let index = frame.components.iter().position(|component| component.identifier == identifier);
            let index = index.ok_or(damaged)?;
            if components.iter().any(|other| other.index == index) {
                return Err(damaged);
            }
            let (dc_table, ac_table) = (usize::from(tables >> 4), usize::from(tables & 15));
            components.push(ScanComponent { index, dc_table, ac_table });
        }
        if components.is_empty() {
            return Err(damaged);
        }
        if frame.process == Process::Sequential {
            return Ok(Self { components, band: 0..64, pass: Pass::First, low_bit: 0 });
        }
        let (high, low_bit) = (bits >> 4, bits & 15);
        let band = usize::from(start)..usize::from(end) + 1;
        let dc = band == (0..1);
        let ac = band.start > 0 && band.start < band.end && band.end <= 64 && components.len() == 1;
        if !(dc || ac) || low_bit > 13 || (high != 0 && high != low_bit + 1) {
            return Err(damaged);
        }
        let pass = if high == 0 { Pass::First } else { Pass::Refinement };
        Ok(Self { components, band, pass, low_bit })
    }
}

/// What restart markers reset.
#[derive(Default)]
struct ScanState {
    /// The last DC coefficient of each component of the scan.
    predictors: [i32; 4],
    /// Blocks that follow whose bands have no further coefficients.
    end_of_band_run: u32,
}

/// Tables and parameters that segments between scans define.
#[derive(Default)]
struct Tables {
    dc: [Option<HuffmanTable>; 4],
    ac: [Option<HuffmanTable>; 4],
    quantization: [Option<[u16; 64]>; 4],
    restart_interval: usize,
}

impl Tables {
    /// T.81, B.2.4.2.
    fn define_huffman_tables(&mut self, mut payload: &[u8]) -> Result<(), JpegError> {
        while let Some((&destination, rest)) = payload.split_first() {
            let short = JpegError::Damaged("a Huffman table is too short");
            let (counts, rest) = rest.split_first_chunk::<16>().ok_or(short)?;
            let total = counts.iter().map(|&count| usize::from(count)).sum();
            let symbols = rest.get(..total).ok_or(short)?;
            let tables = if destination >> 4 == 0 { &mut self.dc } else { &mut self.ac };
            let table = tables.get_mut(usize::from(destination & 15));
            let table = table.ok_or(JpegError::Damaged("there are four Huffman tables of each class"))?;
            *table = Some(HuffmanTable::new(counts, symbols)?);
            payload = &rest[total..];
        }
        Ok(())
    }

    /// T.81, B.2.4.1.
    fn define_quantization_tables(&mut self, mut payload: &[u8]) -> Result<(), JpegError> {
        while let Some((&destination, rest)) = payload.split_first() {
            let short = JpegError::Damaged("a quantization table is too short");
            let mut steps = [0; 64];
            let length = if destination >> 4 == 0 { 64 } else { 128 };
            let values = rest.get(..length).ok_or(short)?;
            if length == 64 {
                steps.iter_mut().zip(values).for_each(|(step, &value)| *step = value.into());
            } else {
                steps.iter_mut().zip(values.as_chunks().0).for_each(|(step, &value)| *step = u16::from_be_bytes(value));
            }
            let table = self.quantization.get_mut(usize::from(destination & 15));
            *table.ok_or(JpegError::Damaged("there are four quantization tables"))? = Some(steps);
            payload = &rest[length..];
        }
        Ok(())
    }
}

/// Codes of at most this length are looked up directly.
const LOOKUP_BITS: u32 = 9;

/// A Huffman table (T.81, annex C).
struct HuffmanTable {
    /// Length and symbol of the code that a number of [`LOOKUP_BITS`] bits begins with; length 0 if
    /// the code is longer.
    lookup: Vec<(u8, u8)>,
    /// For each code length, one more than the largest code, left-aligned in 16 bits.
    ends: [u32; 17],
    /// For each code length, index of a code's symbol minus the code.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl HuffmanTable {
    fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, JpegError> {
        let mut lookup = vec![(0, 0); 1 << LOOKUP_BITS];
        let (mut ends, mut offsets) = ([0; 17], [0; 17]);
        let (mut code, mut index) = (0_u32, 0_usize);
        for (length, &count) in (1..=16).zip(counts) {
            offsets[length as usize] = index as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return Err(JpegError::Damaged("a Huffman table has too many codes"));
                }
                if length <= LOOKUP_BITS {
                    let first = (code << (LOOKUP_BITS - length)) as usize;
                    lookup[first..first + (1 << (LOOKUP_BITS - length))].fill((length as u8, symbols[index]));
                }
                code += 1;
                index += 1;
            }
            ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(Self { lookup, ends, offsets, symbols: symbols.to_vec() })
    }
}

/// Reads the bits of entropy-coded data (T.81, F.2.2.5).
struct Bits<'a> {
    bytes: &'a [u8],
    /// The next byte to buffer.
    at: usize,
    /// The next bits, left-aligned; 0 after them.
    buffer: u64,
    /// Number of bits in the buffer.
    count: u32,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, buffer: 0, count: 0 }
    }

    /// Buffers bytes until a marker or the end of the file.
    #[inline]
    fn fill(&mut self) {
        while self.count <= 56 {
            let length = match self.bytes.get(self.at..) {
                Some([0xff, 0, ..]) => 2,
                Some([byte, ..]) if *byte != 0xff => 1,
                _ => return,
            };
            self.buffer |= u64::from(self.bytes[self.at]) << (56 - self.count);
            self.count += 8;
            self.at += length;
        }
    }

    #[inline]
    fn consume(&mut self, bits: u32) -> Result<(), JpegError> {
        if bits > self.count {
            return Err(JpegError::Truncated);
        }
        self.buffer <<= bits;
        self.count -= bits;
        Ok(())
    }

    /// The next bits, at most 16, as a number.
    #[inline]
    fn take(&mut self, bits: u32) -> Result<u32, JpegError> {
        if bits == 0 {
            return Ok(0);
        }
        if self.count < bits {
            self.fill();
        }
        let value = (self.buffer >> (64 - bits)) as u32;
        self.consume(bits)?;
        Ok(value)
    }

    /// The next symbol (T.81, F.2.2.3).
    #[inline]
    fn symbol(&mut self, table: &HuffmanTable) -> Result<u8, JpegError> {
        if self.count < 16 {
            self.fill();
        }
        let (length, symbol) = table.lookup[(self.buffer >> (64 - LOOKUP_BITS)) as usize];
        if length > 0 {
            self.consume(length.into())?;
            return Ok(symbol);
        }
        let next = (self.buffer >> 48) as u32;
        for length in LOOKUP_BITS + 1..=16 {
            if next < table.ends[length as usize] {
                self.consume(length)?;
                let index = (next >> (16 - length)) as i32 + table.offsets[length as usize];
                let symbol = usize::try_from(index).ok().and_then(|index| table.symbols.get(index));
                return symbol.copied().ok_or(JpegError::Damaged("there is no such Huffman code"));
            }
        }
        // Where the data ends, the zeros after it may be no code.
        Err(if self.count < 16 { JpegError::Truncated } else { JpegError::Damaged("there is no such Huffman code") })
    }

    /// A signed number of that many bits (T.81, F.2.2.1).
    #[inline]
    fn signed(&mut self, bits: u32) -> Result<i32, JpegError> {
        let value = self.take(bits)? as i32;
        Ok(if bits > 0 && value < 1 << (bits - 1) { value - (1 << bits) + 1 } else { value })
    }

    /// Passes the restart marker of that number, 0 to 7.
    fn restart(&mut self, number: u8) -> Result<(), JpegError> {
        let mut at = self.position();
        while self.bytes.get(at..at + 2) == Some(&[0xff, 0xff]) {
            at += 1;
        }
        match self.bytes.get(at..at + 2) {
            Some(&[0xff, marker]) if marker == 0xd0 + number => {
                *self = Self::new(self.bytes, at + 2);
                Ok(())
            }
            Some(&[0xff, marker]) if marker != 0 && !(0xd0..0xd8).contains(&marker) => Err(JpegError::Truncated),
            Some(_) => Err(JpegError::Damaged("a restart marker is missing")),
            None => Err(JpegError::Truncated),
        }
    }

    /// The position after the byte of the last bit that was taken.
    fn position(&self) -> usize {
        let mut at = self.at;
        for _ in 0..self.count / 8 {
            at -= if at >= 2 && self.bytes[at - 2..at] == [0xff, 0] { 2 } else { 1 };
        }
        at
    }

    /// Files whose end was never written consist of zeros there, which may be valid codes: a scan
    /// that ends within a run of zeros is not there.
    fn check_not_zero_filled(&self) -> Result<(), JpegError> {
        const ZEROS: usize = 16;
        let end = self.position();
        let filled = end >= ZEROS && self.bytes.get(end - ZEROS..=end).is_some_and(|run| run == [0; ZEROS + 1]);
        if filled { Err(JpegError::Truncated) } else { Ok(()) }
    }
}

/// Decodes the blocks of one component in one scan.
struct BlockDecoder<'a> {
    process: Process,
    pass: Pass,
    first: usize,
    /// The last coefficient of the band.
    last: usize,
    low_bit: u8,
    /// `None` if the scan needs no such codes.
    dc: Option<&'a HuffmanTable>,
    ac: Option<&'a HuffmanTable>,
}

impl<'a> BlockDecoder<'a> {
    fn new(
        scan: &ScanHeader,
        component: &ScanComponent,
        tables: &'a Tables,
        process: Process,
    ) -> Result<Self, JpegError> {
        let needs_dc = scan.band.start == 0 && scan.pass == Pass::First;
        let needs_ac = scan.band.end > 1;
        let find = |needed: bool, tables: &'a [Option<HuffmanTable>; 4], index: usize| match tables.get(index) {
            _ if !needed => Ok(None),
            Some(Some(table)) => Ok(Some(table)),
            _ => Err(JpegError::Damaged("a Huffman table is missing")),
        };
        Ok(Self {
            process,
            pass: scan.pass,
            first: scan.band.start,
            last: scan.band.end - 1,
            low_bit: scan.low_bit,
            dc: find(needs_dc, &tables.dc, component.dc_table)?,
            ac: find(needs_ac, &tables.ac, component.ac_table)?,
        })
    }

    #[inline]
    fn decode(
        &self,
        bits: &mut Bits<'_>,
        coefficients: &mut Coefficients,
        block: usize,
        predictor: &mut i32,
        end_of_band_run: &mut u32,
    ) -> Result<(), JpegError> {
        match (self.process, self.first, self.pass) {
            (Process::Sequential, ..) => {
                self.decode_dc(bits, coefficients, block, predictor)?;
                self.decode_sequential_ac(bits, coefficients, block)
            }
            (Process::Progressive, 0, Pass::First) => self.decode_dc(bits, coefficients, block, predictor),
            (Process::Progressive, 0, Pass::Refinement) => {
                let bit = bits.take(1)? as i16;
                if let Some(level) = coefficients.level(block, 0) {
                    *level |= bit << self.low_bit;
                }
                Ok(())
            }
            (Process::Progressive, _, Pass::First) => self.decode_ac_first(bits, coefficients, block, end_of_band_run),
            (Process::Progressive, _, Pass::Refinement) => {
                self.decode_ac_refinement(bits, coefficients, block, end_of_band_run)
            }
        }
    }

    /// T.81, F.2.2.1 and G.1.2.1.
    #[inline]
    fn decode_dc(
        &self,
        bits: &mut Bits<'_>,
        coefficients: &mut Coefficients,
        block: usize,
        predictor: &mut i32,
    ) -> Result<(), JpegError> {
        let Some(table) = self.dc else { return Ok(()) };
        let size = bits.symbol(table)?;
        if size > 15 {
            return Err(JpegError::Damaged("a DC coefficient is too large"));
        }
        *predictor = predictor.wrapping_add(bits.signed(size.into())?);
        coefficients.set(block, 0, *predictor << self.low_bit);
        Ok(())
    }

    /// T.81, F.2.2.2.
    #[inline]
    fn decode_sequential_ac(
        &self,
        bits: &mut Bits<'_>,
        coefficients: &mut Coefficients,
        block: usize,
    ) -> Result<(), JpegError> {
        let Some(table) = self.ac else { return Ok(()) };
        let mut at = 1;
        while at < 64 {
            let symbol = bits.symbol(table)?;
            match (symbol >> 4, symbol & 15) {
                (15, 0) => at += 16,
                (_, 0) => break,
                (run, size) => {
                    at += usize::from(run);
                    let value = bits.signed(size.into())?;
                    if at > 63 {
                        return Err(JpegError::Damaged("a block has too many coefficients"));
                    }
                    coefficients.set(block, at, value);
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// T.81, G.1.2.2.
    fn decode_ac_first(
        &self,
        bits: &mut Bits<'_>,
        coefficients: &mut Coefficients,
        block: usize,
        end_of_band_run: &mut u32,
    ) -> Result<(), JpegError> {
        if *end_of_band_run > 0 {
            *end_of_band_run -= 1;
            return Ok(());
        }
        let Some(table) = self.ac else { return Ok(()) };
        let mut at = self.first;
        while at <= self.last {
            let symbol = bits.symbol(table)?;
            match (symbol >> 4, symbol & 15) {
                (15, 0) => at += 16,
                (run, 0) => {
                    *end_of_band_run = (1 << run) - 1 + bits.take(run.into())?;
                    break;
                }
                (run, size) => {
                    at += usize::from(run);
                    let value = bits.signed(size.into())?;
                    if at > self.last {
                        return Err(JpegError::Damaged("a block has too many coefficients"));
                    }
                    coefficients.set(block, at, value << self.low_bit);
                    coefficients.nonzero[block] |= 1 << at;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// T.81, G.1.2.3.
    fn decode_ac_refinement(
        &self,
        bits: &mut Bits<'_>,
        coefficients: &mut Coefficients,
        block: usize,
        end_of_band_run: &mut u32,
    ) -> Result<(), JpegError> {
        let Some(table) = self.ac else { return Ok(()) };
        let bit = 1_i16 << self.low_bit;
        // Another bit of a coefficient that is not 0.
        let refine = |bits: &mut Bits<'_>, coefficients: &mut Coefficients, at: usize| {
            if bits.take(1)? == 1
                && let Some(level) = coefficients.level(block, at)
            {
                *level = level.wrapping_add(if *level < 0 { -bit } else { bit });
            }
            Ok::<_, JpegError>(())
        };
        let mut at = self.first;
        if *end_of_band_run == 0 {
            while at <= self.last {
                let symbol = bits.symbol(table)?;
                let (mut zeros, size) = (symbol >> 4, symbol & 15);
                if size == 0 && zeros < 15 {
                    *end_of_band_run = (1 << zeros) + bits.take(zeros.into())?;
                    break;
                }
                let value = match size {
                    0 => None,
                    1 => Some(if bits.take(1)? == 1 { bit } else { -bit }),
                    _ => return Err(JpegError::Damaged("a refined coefficient is too large")),
                };
                while at <= self.last {
                    if coefficients.nonzero[block] & (1 << at) != 0 {
                        refine(bits, coefficients, at)?;
                    } else if zeros == 0 {
                        break;
                    } else {
                        zeros -= 1;
                    }
                    at += 1;
                }
                if let Some(value) = value {
                    if at > self.last {
                        return Err(JpegError::Damaged("a block has too many coefficients"));
                    }
                    coefficients.set(block, at, value.into());
                    coefficients.nonzero[block] |= 1 << at;
                }
                at += 1;
            }
        }
        if *end_of_band_run > 0 {
            *end_of_band_run -= 1;
            if at > self.last {
                return Ok(());
            }
            let mut remaining = coefficients.nonzero[block] & (u64::MAX << at) & (u64::MAX >> (63 - self.last));
            while remaining != 0 {
                refine(bits, coefficients, remaining.trailing_zeros() as usize)?;
                remaining &= remaining - 1;
            }
        }
        Ok(())
    }
}
