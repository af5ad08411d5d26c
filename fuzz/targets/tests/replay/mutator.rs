//! Inputs that are derived from a corpus, the same in every run.

/// The longest input that is made.
const MAX_LEN: usize = 64 << 10;

/// Bytes at which parsers change their minds.
const TELLING: [u8; 16] = *b"\x00\xff\x7f\x80\"\\{}[],:=@/0";

/// Derives inputs from seeds.
pub(crate) struct Mutator {
    seeds: Vec<Vec<u8>>,
    state: u64,
}

impl Mutator {
    /// Takes the seeds, one at least.
    pub(crate) fn new(seeds: Vec<Vec<u8>>) -> Self {
        assert!(!seeds.is_empty());
        Self { seeds, state: 0x9e37_79b9_7f4a_7c15 }
    }

    /// Returns a seed with one to four changes.
    pub(crate) fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        for _ in 0..=self.below(4) {
            self.change(&mut input);
        }
        input.truncate(MAX_LEN);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let (at, len) = self.range(input);
        match self.below(9) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = TELLING[self.below(TELLING.len())],
            2 if at < input.len() => input[at] = input[at].wrapping_add(1),
            3 => input.insert(at, TELLING[self.below(TELLING.len())]),
            4 => input.truncate(at),
            5 => drop(input.drain(at..at + len)),
            6 => {
                let again = input[at..at + len].to_vec();
                input.splice(at..at, again);
            }
            7 => {
                let other = self.seed();
                let (from, count) = self.range(&other);
                input.splice(at..at + len, other[from..from + count].iter().copied());
            }
            _ => {
                let other = self.seed();
                let from = self.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }

    fn seed(&mut self) -> Vec<u8> {
        let place = self.below(self.seeds.len());
        self.seeds[place].clone()
    }

    /// Returns the start and length of a part of `bytes`, more often a short one.
    fn range(&mut self, bytes: &[u8]) -> (usize, usize) {
        let at = self.below(bytes.len() + 1);
        let most = (bytes.len() - at).min(1 << self.below(10));
        (at, self.below(most + 1))
    }

    fn below(&mut self, bound: usize) -> usize {
        // xorshift64*, whose upper bits are the good ones.
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let random = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (random % bound as u64) as usize
    }
}
