//! Applications in interpreted languages: interpreters are in the clear, code and packages are private.

use std::fs;

use sealcrate_tests::EngineImage;

use crate::container::Container;
use crate::fixture::{FOR_ALL, Locksmith, PRIVATE};
use crate::programs::base::Base;

const HARDENED: [&str; 7] =
    ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "1000"];

/// Builds an image of a base in the clear, and of further lines and files.
fn build<'w>(
    locksmith: &'w Locksmith,
    base: &Base,
    lines: &str,
    files: &[(&str, &str)],
) -> EngineImage<'w> {
    let base = base.tar();
    let files = files.iter().map(|(name, text)| (*name, text.as_bytes()));
    let files: Vec<_> = [("base.tar", base.as_slice())].into_iter().chain(files).collect();
    locksmith.build(&format!("ADD base.tar /\n{lines}"), &files)
}

const PYTHON_MAIN: &str = "import os, signal, sys
import shop
def end(*_):
    print('ended', flush=True)
    sys.exit(9)
signal.signal(signal.SIGTERM, end)
print(sys.argv, sys.flags.optimize, shop.price('lantern'), shop.__doc__)
print(os.getresuid(), os.getresgid(), sorted(os.getgroups()), os.umask(0))
print(sorted((k, v) for k, v in os.environ.items() if k not in ('PWD', 'OLDPWD')))
for path in sys.argv[0], shop.__file__, shop.PRICES:
    about = os.stat(path)
    print(oct(about.st_mode), about.st_size, int(about.st_mtime))
if 'wait' in os.environ:
    print('ready', flush=True)
    while True:
        signal.pause()
raise SystemExit(shop.price('stairs'))
";

const PYTHON_PACKAGE: &str = "'''Sells what is private.'''
import os
from . import reader
PRICES = os.path.join(os.path.dirname(__file__), 'prices')
def price(of):
    return reader.read(PRICES)[of]
";

const PYTHON_READER: &str = "def read(path):
    with open(path) as lines:
        return {name: int(price) for name, price in map(str.split, lines)}
";

#[test]
fn python_application_has_private_code_and_packages() {
    let locksmith = Locksmith::new();
    let python = fs::canonicalize("/usr/bin/python3").unwrap();
    let version = python.file_name().unwrap().to_str().unwrap();
    let base = Base::of_program("/usr/bin/python3").with_package(&format!("lib{version}-minimal"));
    let packages = format!("/usr/local/lib/{version}/dist-packages");
    let lines = format!(
        "{PRIVATE}COPY shop {packages}/shop\nCOPY main.py /app/main.py\n\
         RUN chmod 644 /app/main.py && touch -d @1500000000 /app/main.py\n\
         ENV PATH=/usr/bin:/bin PYTHONOPTIMIZE=1 PYTHONDONTWRITEBYTECODE=1 SETTING=own\nWORKDIR /app\n\
         ENTRYPOINT [\"python3\", \"main.py\"]\nCMD [\"own argument\"]\n"
    );
    let files = [
        ("main.py", PYTHON_MAIN),
        ("shop/__init__.py", PYTHON_PACKAGE),
        ("shop/reader.py", PYTHON_READER),
        ("shop/prices", "lantern 12\nstairs 41\n"),
    ];
    let original = build(&locksmith, &base, &lines, &files);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.assert_same(&original, &locked, &["-e", "SETTING=mine"], &["a", "b c"]);
    let done = done.with_status(41);
    let begins = "['main.py', 'a', 'b c'] 1 12 Sells what is private.\n";
    assert!(done.stdout.starts_with(begins), "{}", done.said());
    assert!(done.stdout.contains("('SETTING', 'mine')"), "{}", done.said());
    assert!(!done.stdout.contains("SEALCRATE_KEY"), "{}", done.said());
    locksmith.assert_same(&original, &locked, &[&HARDENED[..], &[FOR_ALL]].concat(), &[]);

    let ended = [&original, &locked].map(|image| {
        let container = Container::start(&locksmith, image, &["-e", "wait=yes"]);
        container.wait_for("ready");
        container.stop()
    });
    assert_eq!(ended, ["9", "9"]);
    // Without the key, nobody gets any of the files.
    let list = ["-c", &format!("ls /app {packages}/shop; true")];
    let done = locksmith.run(locked.name(), &["--entrypoint", "/bin/sh"], &list);
    assert_eq!(done.says("No such file").stdout, "");
}

const NODE_MAIN: &str = "const fs = require('node:fs')
const { price } = require('shop')
import('./module.mjs').then(({ hello }) => {
  console.log(process.argv.slice(2), price('lantern'), hello)
  console.log(process.getuid(), process.getgid(), process.getgroups(), process.umask())
  const hidden = new Set(['PWD', 'OLDPWD'])
  console.log(Object.entries(process.env).filter(([name]) => !hidden.has(name)).sort())
  for (const path of ['main.js', 'node_modules/shop/prices.json']) {
    const { mode, size, mtimeMs } = fs.statSync(path)
    console.log(mode, size, mtimeMs)
  }
  process.on('SIGTERM', () => process.exit(price('stairs')))
  process.kill(process.pid, 'SIGTERM')
  setInterval(() => {}, 1000)
})
";

/// The folders of its own library that Debian's Node.js reads at its start. Other builds have them built
/// in.
pub(crate) const NODE_LIBRARY: [&str; 4] = [
    "/usr/share/nodejs/acorn",
    "/usr/share/nodejs/acorn-walk",
    "/usr/share/nodejs/cjs-module-lexer",
    "/usr/share/nodejs/undici",
];

#[test]
fn node_application_has_private_code_and_packages() {
    let locksmith = Locksmith::new();
    let base = Base::of_program("/usr/bin/node").with_folders(&NODE_LIBRARY);
    let lines = format!(
        "{PRIVATE}COPY node_modules /app/node_modules\nCOPY main.js module.mjs /app/\n\
         RUN chmod 644 /app/main.js && touch -d @1500000000 /app/main.js\n\
         ENV PATH=/usr/bin:/bin NODE_ENV=production\nWORKDIR /app\n\
         CMD [\"node\", \"main.js\", \"own argument\"]\n"
    );
    let files = [
        ("main.js", NODE_MAIN),
        ("module.mjs", "export const hello = 'from a module'\n"),
        ("node_modules/shop/package.json", "{\"name\": \"shop\", \"main\": \"lib/index.js\"}"),
        ("node_modules/shop/lib/index.js", "exports.price = (of) => require('../prices.json')[of]"),
        ("node_modules/shop/prices.json", "{\"lantern\": 12, \"stairs\": 41}"),
    ];
    let original = build(&locksmith, &base, &lines, &files);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.assert_same(&original, &locked, &[], &[]).with_status(41);
    let begins = "[ 'own argument' ] 12 from a module\n";
    assert!(done.stdout.starts_with(begins), "{}", done.said());
    assert!(!done.stdout.contains("SEALCRATE_KEY"), "{}", done.said());
    locksmith.assert_same(&original, &locked, &[&HARDENED[..], &[FOR_ALL]].concat(), &[]);
}
