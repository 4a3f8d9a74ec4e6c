//! How long a typical filter takes: one iteration reads twenty, so a microsecond each is 20 us here.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use scim_filter_parser::{Filter, Options};

/// What identity providers send, most frequent first.
const TYPICAL: [&str; 20] = [
    r#"userName eq "bjensen""#,
    r#"userName eq "jo@contoso.com""#,
    r#"externalId eq "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef""#,
    r#"displayName eq "Sales EMEA""#,
    r#"emails[type eq "work"].value eq "jo@contoso.com""#,
    r#"emails.value eq "jo@contoso.com""#,
    r#"id eq "2819c223-7f76-453a-919d-413861904646""#,
    r#"id eq "2819c223" and manager eq "26118915""#,
    r#"id eq "2819c223" and members eq "26118915""#,
    r#"userName Eq "john""#,
    "externalId eq jyoung",
    "active eq true",
    "title pr",
    r#"userType eq "Employee" and title pr"#,
    r#"userName sw "J""#,
    r#"meta.lastModified gt "2011-05-13T04:42:34Z""#,
    r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J""#,
    r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
    r#"userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")"#,
    r#"emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]"#,
];

fn parse(criterion: &mut Criterion) {
    let options = Options::tolerant();
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(TYPICAL.len() as u64));
    group.bench_function("twenty typical filters", |bencher| {
        bencher.iter(|| {
            for text in TYPICAL {
                black_box(Filter::parse_with(black_box(text), &options).is_ok());
            }
        });
    });
    group.finish();
}

fn benches(criterion: &mut Criterion) {
    for text in TYPICAL {
        assert!(Filter::parse_with(text, &Options::tolerant()).is_ok(), "not a filter: {text}");
    }
    parse(criterion);
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    benches(&mut criterion);
    criterion.final_summary();
}
