//! Programs that look for clear files beside their private ones: by their real path, or by `..`.

use std::fs;
use std::process::Command;

use sealcrate_tests::Done;

use crate::fixture::{Locksmith, PRIVATE};
use crate::programs::base::Base;
use crate::programs::languages::NODE_LIBRARY;

const NODE_MAIN: &[u8] = b"const fs = require('node:fs')
console.log(require('./dep'), require('lib'), fs.readFileSync(__dirname + '/dep.txt', 'utf8'))
console.log(require('./dep') === require(fs.realpathSync(__dirname + '/dep.js')), require('/app/own'))
";

const PYTHON_MAIN: &[u8] = b"import os
import dep, package.inner
print(dep.FOUND, package.inner.FOUND)
print(open(os.path.join(os.path.dirname(os.path.realpath(__file__)), 'dep.txt')).read())
";

/// Looks beside the folder of its own file.
const SELF_MAIN: &str = "#include <stdio.h>
#include <string.h>
#include <unistd.h>
int answer(void);
int main(void) {
    char path[4200] = {0}, text[99] = {0};
    if (readlink(\"/proc/self/exe\", path, 4096) < 0) return 1;
    strcpy(strrchr(path, '/'), \"/../dep.txt\");
    FILE *file = fopen(path, \"r\");
    if (!file) return 2;
    fgets(text, 99, file);
    printf(\"%d %s\", answer(), text);
}
";

/// Runs all of them, and goes up from a private folder to clear ones, and to the system's.
const MAIN: &[u8] = b"#!/bin/sh -e
node /app/main.js
python3 /app/main.py
/app/bin/self
cat \"$(dirname \"$(readlink -f \"$0\")\")/dep.txt\"
cd /app/bin
cat ../dep.txt ../lib/data ../../etc/passwd ../../proc/self/comm
cd ../vendor && cat data ../dep.txt ../main.js | wc -c
ls /app/bin/../volume; echo more > /app/bin/../volume/more; cat /app/volume/more
test ! -e /app/bin/../removed
echo end
";

#[test]
fn private_programs_find_clear_files_beside_them() {
    let locksmith = Locksmith::new();
    fs::write(locksmith.path("dep.c"), "int answer(void) { return 42; }\n").unwrap();
    fs::write(locksmith.path("self.c"), SELF_MAIN).unwrap();
    let build = "gcc -shared -fPIC -Wl,-soname,libdep.so -o libdep.so dep.c && \
                 gcc -o self self.c ./libdep.so -Wl,-rpath,'$ORIGIN/../lib'";
    let mut gcc = Command::new("sh");
    Done::of(gcc.args(["-c", build]).current_dir(locksmith.sandbox.work())).with_status(0);
    let [library, program] =
        ["libdep.so", "self"].map(|name| fs::read(locksmith.path(name)).unwrap());
    let python = fs::canonicalize("/usr/bin/python3").unwrap();
    let version = python.file_name().unwrap().to_str().unwrap();
    let base = Base::of_program("/usr/bin/node")
        .with_folders(&NODE_LIBRARY)
        .with_program("/usr/bin/python3")
        .with_package(&format!("lib{version}-minimal"))
        .tar();
    let files: [(&str, &[u8]); 14] = [
        ("base.tar", &base),
        ("clear/dep.txt", b"found beside\n"),
        ("clear/dep.js", b"module.exports = { found: 'by node' }\n"),
        ("clear/node_modules/lib/index.js", b"module.exports = require('./more')\n"),
        ("clear/node_modules/lib/more.js", b"module.exports = 'a package'\n"),
        ("clear/dep.py", b"FOUND = 'by python'\n"),
        ("clear/package/inner.py", b"import dep\nFOUND = dep.FOUND\n"),
        ("clear/lib/libdep.so", &library),
        ("clear/lib/data", b"found in a folder\n"),
        ("clear/vendor/data", b"found in another\n"),
        ("private/main.js", NODE_MAIN),
        ("private/main.py", PYTHON_MAIN),
        ("private/bin/self", &program),
        ("main.sh", MAIN),
    ];
    let files =
        [&files[..], &[("own.js", b"module.exports = 'own'\n"), ("removed", b"x")]].concat();
    let lines = format!(
        "ADD base.tar /\nCOPY clear removed /app/\nENV PATH=/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1\n\
         {PRIVATE}COPY private own.js main.sh /app/\nRUN rm /app/removed && mkdir /app/volume\n\
         VOLUME /app/volume\nCMD [\"/app/main.sh\"]\n"
    );
    let original = locksmith.build(&lines, &files);
    let locked = locksmith.lock(&original, &[]);
    let done = locksmith.assert_same(&original, &locked, &[], &[]).with_status(0);
    assert!(done.stdout.contains("42 found beside\n"), "{}", done.said());
}

#[test]
fn folders_in_which_private_programs_do_not_find_clear_files_are_told() {
    let locksmith = Locksmith::new();
    let lines = format!(
        "RUN mkdir /many && cd /many && for i in $(seq 1001); do : > $i; done\n{PRIVATE}COPY a /many/a\n\
         CMD [\"cat\", \"/many/a\"]\n"
    );
    let original = locksmith.build(&lines, &[("a", b"private\n")]);
    let name = format!("{}-locked", original.name());
    let _locked = locksmith.engine.remove_on_drop(&name);
    let arguments = ["lock", original.name(), "-t", &name, "-r", locksmith.recipient()];
    let done = locksmith.sealcrate(&arguments).with_status(0);
    done.says(
        "warning: too many clear files beside private ones in /many: a private program there",
    );
    locksmith.unlock(&name, &[], &[]).with_status(0).prints("private\n");
}
