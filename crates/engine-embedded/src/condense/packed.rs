//! Several small numbers side by side in few words: a key that is cheap to hash and to compare.

/// Where each number stands. Widths grow as numbers do.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    places: Vec<Place>,
    words: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    word: usize,
    shift: u32,
    /// Bits, at most 32.
    width: u32,
}

impl Layout {
    /// For so many numbers, each 0 or 1 at first.
    pub fn new(numbers: usize) -> Layout {
        Layout::of(std::iter::repeat_n(1, numbers))
    }

    fn of(widths: impl Iterator<Item = u32>) -> Layout {
        let (mut word, mut shift) = (0, 0);
        let places = widths.map(|width| {
            if shift + width > u64::BITS {
                (word, shift) = (word + 1, 0);
            }
            let place = Place { word, shift, width };
            shift += width;
            place
        });
        let places = places.collect();
        Layout { places, words: word + 1 }
    }

    /// Words of one key.
    pub fn words(&self) -> usize {
        self.words
    }

    /// A layout in which that number may be as large as `most`; `None` where it may be already.
    pub fn widened(&self, number: usize, most: u32) -> Option<Layout> {
        let needed = u32::BITS - most.leading_zeros();
        if needed <= self.places[number].width {
            return None;
        }
        // One bit more than is needed, so that it is not soon to be done again.
        let widths = self.places.iter().enumerate();
        Some(Layout::of(widths.map(|(at, place)| if at == number { (needed + 1).min(u32::BITS) } else { place.width })))
    }

    /// Writes one number of each key: `keys` are [`Self::words`] words each, zero where the number is to stand.
    pub fn write(&self, keys: &mut [u64], number: usize, values: &[u32]) {
        let Place { word, shift, .. } = self.places[number];
        for (key, value) in keys.chunks_exact_mut(self.words).zip(values) {
            key[word] |= u64::from(*value) << shift;
        }
    }

    pub fn read(&self, key: &[u64], number: usize) -> u32 {
        let Place { word, shift, width } = self.places[number];
        (key[word] >> shift & ((1 << width) - 1)) as u32
    }

    /// Keys of this layout in another.
    pub fn rewritten(&self, keys: &[u64], new: &Layout) -> Vec<u64> {
        let count = keys.len() / self.words;
        let mut rewritten = vec![0; count * new.words];
        for number in 0..self.places.len() {
            let values: Vec<u32> = keys.chunks_exact(self.words).map(|key| self.read(key, number)).collect();
            new.write(&mut rewritten, number, &values);
        }
        rewritten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_values_as_widths_grow() {
        let mut layout = Layout::new(5);
        let mut keys = vec![0; 2];
        let mut values = [[0u32, 1], [1, 0], [1, 1], [0, 0], [1, 1]];
        for (number, values) in values.iter().enumerate() {
            layout.write(&mut keys, number, values);
        }
        for (number, most) in [(1, 2), (4, u32::MAX), (0, 1 << 20), (3, u32::MAX), (1, 2), (2, 70_000)] {
            if let Some(new) = layout.widened(number, most) {
                keys = layout.rewritten(&keys, &new);
                layout = new;
            }
            // The largest number that was asked for has room.
            let mut with_largest = layout.rewritten(&keys, &layout);
            let key = &mut with_largest[..layout.words()];
            let before = layout.read(key, number);
            layout.write(key, number, &[most & !before]);
            values[number][0] = most | before;
            keys = with_largest;
            for (number, values) in values.iter().enumerate() {
                let read: Vec<u32> = keys.chunks_exact(layout.words()).map(|key| layout.read(key, number)).collect();
                assert_eq!(&read, values, "number {number}");
            }
        }
        // 22 + 3 + 18 bits in the first word, twice 32 in the second.
        assert_eq!(layout.words(), 2);
    }
}
