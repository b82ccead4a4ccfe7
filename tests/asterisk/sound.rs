//! Sound files as the exchange leaves them: WAV, 8000 samples a second of 16 bits.

use std::fs;
use std::path::Path;

/// What the exchange puts before the samples.
const HEADER: usize = 44;

const RATE: f64 = 8000.0;

/// What is in a file.
pub struct Sound(Vec<i16>);

impl Sound {
    /// Reads a file; `Err` says why it is not complete (yet).
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let told = bytes.get(40..HEADER).map(|size| u32::from_le_bytes(size.try_into().unwrap()));
        match told {
            Some(told) if told > 0 && told as usize == bytes.len() - HEADER => {}
            told => {
                return Err(format!("{}: {} bytes, the header tells {told:?}", path.display(), bytes.len()));
            }
        }
        let samples = bytes[HEADER..].chunks_exact(2);
        Ok(Self(samples.map(|sample| i16::from_le_bytes([sample[0], sample[1]])).collect()))
    }

    pub fn seconds(&self) -> f64 {
        self.0.len() as f64 / RATE
    }

    /// How loud it is, in tenths of a second: the root mean square of the samples.
    pub fn loudness(&self) -> Vec<u32> {
        let tenths = self.0.chunks_exact(800);
        let loud = |tenth: &[i16]| {
            let squares: f64 = tenth.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            (squares / tenth.len() as f64).sqrt() as u32
        };
        tenths.map(loud).collect()
    }

    /// The longest stretch without any sound, in seconds.
    pub fn longest_silence(&self) -> f64 {
        let loudness = self.loudness();
        let silences = loudness.split(|loud| *loud > 0).map(<[u32]>::len);
        silences.max().unwrap_or(0) as f64 / 10.0
    }
}
