#![allow(missing_docs)]
use parking_lot::RwLock;
#[derive(Clone, Copy)]
pub struct Key(u64);
impl Key {
    pub fn as_u64(self) -> u64 {
        self.0
    }
}
impl From<u64> for Key {
    fn from(k: u64) -> Self {
        Key(k)
    }
}
struct Inner<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    len: usize,
}
pub struct Table<T>(RwLock<Inner<T>>);
impl<T: Clone> Table<T> {
    pub fn new() -> Self {
        Table(RwLock::new(Inner { slots: vec![], free: vec![], len: 0 }))
    }
    pub fn insert(&self, t: T) -> Key {
        let mut i = self.0.write();
        i.len += 1;
        if let Some(n) = i.free.pop() {
            let s = &mut i.slots[n as usize];
            s.1 = Some(t);
            Key(n as u64 | (s.0 as u64) << 32)
        } else {
            i.slots.push((0, Some(t)));
            Key(i.slots.len() as u64 - 1)
        }
    }
    pub fn get(&self, k: Key) -> Option<T> {
        let i = self.0.read();
        let s = i.slots.get(k.0 as u32 as usize)?;
        if s.0 == (k.0 >> 32) as u32 { s.1.clone() } else { None }
    }
    pub fn remove(&self, k: Key) -> Option<T> {
        let mut i = self.0.write();
        let s = i.slots.get_mut(k.0 as u32 as usize)?;
        if s.0 != (k.0 >> 32) as u32 {
            return None;
        }
        let t = s.1.take()?;
        s.0 += 1;
        i.free.push(k.0 as u32);
        i.len -= 1;
        Some(t)
    }
    pub fn len(&self) -> usize {
        self.0.read().len
    }
    pub fn for_each(&self, mut f: impl FnMut(Key, &T)) {
        for (n, s) in self.0.read().slots.iter().enumerate() {
            if let Some(t) = &s.1 {
                f(Key(n as u64 | (s.0 as u64) << 32), t)
            }
        }
    }
}
