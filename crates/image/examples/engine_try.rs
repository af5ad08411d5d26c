//! x
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]
use sealcrate_image::engine::*;
use sealcrate_image::*;
use std::io::Read;
use std::sync::Arc;
struct Bad(Arc<dyn Content>, usize);
impl Content for Bad {
    fn open(&self) -> std::io::Result<Box<dyn Read + Send>> {
        let mut v = Vec::new();
        self.0.open()?.read_to_end(&mut v)?;
        let i = self.1.min(v.len() - 1);
        v[i] ^= 1;
        Ok(Box::new(std::io::Cursor::new(v)))
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let e = Engine::connect(&std::env::var("DOCKER_HOST").unwrap().parse().unwrap());
    let e = match e {
        Ok(e) => e,
        Err(x) => {
            println!("connect: {x} / {x:?}");
            return;
        }
    };
    let t = std::time::Instant::now();
    let s = match e.source(&a[1].parse().unwrap(), &Spool::in_folder("/tmp"), &Quiet) {
        Ok(s) => s,
        Err(x) => {
            println!("source: {x} / {x:?}");
            return;
        }
    };
    println!("export {:?}", t.elapsed());
    let image = Artifact::read(&s).unwrap().into_image(&s, None).unwrap();
    println!("id {}", image.id());
    let to: Reference = a[2].parse().unwrap();
    let e = match std::env::var("TO") {
        Ok(t) => Engine::connect(&t.parse().unwrap()).unwrap(),
        Err(_) => e,
    };
    let sink = e.sink(Some(&to));
    let t = std::time::Instant::now();
    let mut present = sink.present(&image).unwrap();
    println!("present {present:?} {:?}", t.elapsed());
    if a.get(3).is_some_and(|m| m == "all") {
        present.fill(false);
    }
    if a.get(3).is_some_and(|m| m == "gone") {
        present.fill(true);
    }
    let t = std::time::Instant::now();
    for (i, l) in image.layers.iter().enumerate() {
        if !present[i] {
            let l = if a.get(3).is_some_and(|m| m == "bad") && i == 1 {
                l.with_content(Arc::new(Bad(l.content().clone(), 600)))
            } else {
                l.clone()
            };
            if let Err(x) = sink.put(&l, &Quiet) {
                println!("put {i}: {x} / {x:?} after {:?}", t.elapsed());
            }
        }
    }
    if a.get(3).is_some_and(|m| m == "drop") {
        let t = std::time::Instant::now();
        drop(sink);
        println!("dropped {:?}", t.elapsed());
        return;
    }
    match sink.commit(&image) {
        Ok(d) => println!("commit {d:?}"),
        Err(x) => println!("commit: {x} / {x:?}"),
    }
    println!("load {:?}", t.elapsed());
}
