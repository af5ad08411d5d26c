//! Servers: the programs are in the clear, configuration and content are private.

use crate::container::Container;
use crate::fixture::{Locksmith, PRIVATE};
use crate::programs::base::Base;

const CONFIGURATION: &str = "user app team;
worker_processes 2;
pid /run/nginx.pid;
error_log stderr notice;
events {}
http {
    access_log off;
    server_tokens off;
    include /etc/nginx/sites/*;
}
";

const SITE: &str = "server {
    listen 127.0.0.1:80;
    root /srv/www;
    location /list/ { autoindex on; }
    location /header { add_header X-Private lantern; return 200 ok; }
}
";

/// Asks for all pages, and shows the processes that serve them.
const ASK: &str = "for path in / /list/ /list/owned /closed /missing /header; do
    wget -q -S -O - http://127.0.0.1$path 2>&1 | grep -v -e '  Date:'
done
ps | sed 's/^ *[0-9]* //' | grep -e 'nginx: [mw]' | sort
stat -L -c '%n %a %u %g %Y' /etc/nginx/* /srv/www/* /srv/www/list/*";

#[test]
fn web_server_has_private_configuration_and_content() {
    let locksmith = Locksmith::new();
    let base = Base::of_program("/usr/sbin/nginx").tar();
    let lines = format!(
        "ADD base.tar /\nRUN mkdir -p /var/lib/nginx /run\n\
         {PRIVATE}COPY nginx /etc/nginx\nCOPY www /srv/www\n\
         RUN cd /srv/www && chmod 600 closed && chmod 400 list/owned && chown 1000 list/owned \\\n\
         && chmod 700 /etc/nginx/sites && touch -d @1500000000 list/owned list\n\
         ENV PATH=/usr/sbin:/bin\nSTOPSIGNAL SIGQUIT\n\
         CMD [\"nginx\", \"-e\", \"stderr\", \"-g\", \"daemon off;\"]\n"
    );
    let files: [(&str, &[u8]); 6] = [
        ("base.tar", &base),
        ("nginx/nginx.conf", CONFIGURATION.as_bytes()),
        ("nginx/sites/private", SITE.as_bytes()),
        ("www/index.html", b"private content\n"),
        ("www/closed", b"never shown"),
        ("www/list/owned", b"for the server alone\n"),
    ];
    let original = locksmith.build(&lines, &files);
    let locked = locksmith.lock(&original, &[]);
    for options in [&[][..], &["--read-only", "--tmpfs=/run", "--tmpfs=/var/lib/nginx"]] {
        let [expected, found] = [&original, &locked].map(|image| {
            let container = Container::start(&locksmith, image, options);
            container.wait_for("start worker process ");
            let before = container.run(ASK);
            container.run("nginx -s reload");
            container.wait_for("gracefully shutting down");
            let after = container.run("wget -q -O - http://127.0.0.1/");
            (before, after, container.stop())
        });
        assert_eq!(found, expected);
        let (asked, again, status) = found;
        assert_eq!((&*again, &*status), ("private content", "0"));
        for part in [
            "for the server alone",
            "14-Jul-2017 02:40",
            "X-Private: lantern",
            "403 Forbidden",
            "404 Not Found",
            "app      nginx: worker process",
        ] {
            assert!(asked.contains(part), "{part:?} is not in {asked}");
        }
    }
}
