//! Whose account is whose, when two tenants work in one account of RingCX.

use super::super::inventory::Kind;
use super::super::{Error, links, owners};
use super::{Scratch, at, on_both, person_id, tenant};
use crate::domain::TenantId;
use crate::domain::link::{AgentGroupAgent, AgentLink, Link};
use crate::upstream::model::{AgentGroupId, AgentId};

on_both!(
    of_two_tenants_that_link_one_account_at_once_one_wins,
    what_was_linked_before_the_fence_belongs_to_who_linked_it,
    one_tenant_administers_a_main_account,
);

fn other() -> TenantId {
    "other".parse().unwrap()
}

fn agent(id: i64) -> Link {
    let agent = AgentLink {
        id: AgentGroupAgent { agent: AgentId(id), group: AgentGroupId(1) },
        username: "jo".to_owned(),
        ours: false,
        home: None,
        enabled: true,
        owned: std::collections::BTreeSet::new(),
        former: std::collections::BTreeMap::new(),
        wrote_external_id: false,
        rc_user_id: None,
        unseen: false,
        found: crate::domain::found::Found::default(),
    };
    Link { agent: Some(agent), ..Link::default() }
}

async fn settle(scratch: &Scratch, kind: Kind) {
    let both = move |tx: &mut super::super::Tx<'_>| {
        owners::settle(tx, &tenant(), kind, "ringcx 1")?;
        owners::settle(tx, &other(), kind, "ringcx 1")
    };
    scratch.store.write(both).await.unwrap();
}

async fn link(scratch: &Scratch, of: TenantId, person: usize, id: i64) -> Result<(), Error> {
    let person = person_id(person);
    scratch.store.write(move |tx| links::save(tx, &of, &person, &agent(id), at(1))).await
}

async fn of_two_tenants_that_link_one_account_at_once_one_wins(scratch: Scratch) {
    settle(&scratch, Kind::Agent).await;
    for id in 1..20 {
        let person = usize::try_from(id).unwrap();
        let (one, two) =
            tokio::join!(link(&scratch, tenant(), person, id), link(&scratch, other(), person, id));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        let lost = one.err().or(two.err()).unwrap();
        assert!(matches!(lost, Error::Conflict { holder: None, .. }), "{lost}");
    }
    // Who lets go makes room.
    link(&scratch, tenant(), 100, 100).await.unwrap();
    assert!(link(&scratch, other(), 100, 100).await.is_err());
    scratch
        .store
        .write(|tx| links::save(tx, &tenant(), &person_id(100), &Link::default(), at(2)))
        .await
        .unwrap();
    link(&scratch, other(), 100, 100).await.unwrap();
    let foreign = |of: TenantId| scratch.store.read(move |tx| owners::is_foreign(tx, &of, Kind::Agent, 100));
    assert!(foreign(tenant()).await.unwrap() && !foreign(other()).await.unwrap());
}

async fn what_was_linked_before_the_fence_belongs_to_who_linked_it(scratch: Scratch) {
    link(&scratch, tenant(), 1, 7).await.unwrap();
    link(&scratch, other(), 1, 7).await.unwrap();
    settle(&scratch, Kind::Agent).await;
    let foreign = scratch.store.read(|tx| owners::is_foreign(tx, &other(), Kind::Agent, 7)).await.unwrap();
    let own = scratch.store.read(|tx| owners::is_foreign(tx, &tenant(), Kind::Agent, 7)).await.unwrap();
    assert!(foreign && !own);
}

async fn one_tenant_administers_a_main_account(scratch: Scratch) {
    settle(&scratch, Kind::Admin).await;
    assert!(scratch.store.write(|tx| owners::administer(tx, &tenant())).await.unwrap());
    assert!(!scratch.store.write(|tx| owners::administer(tx, &other())).await.unwrap());
    assert!(scratch.store.read(|tx| owners::is_administered_elsewhere(tx, &other())).await.unwrap());
    scratch.store.write(|tx| owners::abdicate(tx, &tenant())).await.unwrap();
    assert!(scratch.store.write(|tx| owners::administer(tx, &other())).await.unwrap());
}
