//! What the bridge reads off a person's resource: keys, the one e-mail address, the login name.

use serde_json::Value;

use super::fold;
use crate::scim::Resource;

/// The texts by which a person is found, as an index keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserKeys {
    /// `userName` as written.
    pub user_name: String,
    /// `userName`, folded: unique within a tenant.
    pub user_name_key: String,
    /// `externalId`: exact (RFC 7643 §3.1).
    pub external_id: Option<String>,
    /// `displayName`, folded.
    pub display_name_key: Option<String>,
    /// `active`, true unless the client said otherwise.
    pub active: bool,
    /// The values of `emails`, folded, each once.
    pub emails: Vec<String>,
}

/// The texts by which a group is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKeys {
    /// `displayName` as written.
    pub display_name: String,
    /// `displayName`, folded: unique within a tenant.
    pub display_name_key: String,
    /// `externalId`: exact.
    pub external_id: Option<String>,
}

/// The keys of a User.
pub fn user_keys(user: &Resource) -> UserKeys {
    let user_name = user.text("userName").unwrap_or_default().to_owned();
    let mut emails: Vec<String> = elements(user, "emails").filter_map(value_of).map(fold).collect();
    emails.sort();
    emails.dedup();
    UserKeys {
        user_name_key: fold(&user_name),
        user_name,
        external_id: user.text("externalId").map(str::to_owned),
        display_name_key: user.text("displayName").map(fold),
        active: is_active(user),
        emails,
    }
}

/// The keys of a Group.
pub fn group_keys(group: &Resource) -> GroupKeys {
    let display_name = group.text("displayName").unwrap_or_default().to_owned();
    GroupKeys {
        display_name_key: fold(&display_name),
        display_name,
        external_id: group.text("externalId").map(str::to_owned),
    }
}

/// Whether the client wants the person to be able to work; true unless it said otherwise.
pub fn is_active(user: &Resource) -> bool {
    user.flag("active").unwrap_or(true)
}

/// The one address that RingCX holds of the many that SCIM allows.
///
/// The first that hits: `primary`, then `type` "work", then the first after sorting by `type` and `value`.
pub fn email(user: &Resource) -> Option<&str> {
    let text = |element: &'_ Value, name: &str| element.get(name).and_then(Value::as_str).map(str::to_owned);
    elements(user, "emails")
        .filter(|element| value_of(element).is_some())
        .min_by_key(|element| {
            let kind = text(element, "type");
            let primary = element.get("primary") == Some(&Value::Bool(true));
            let work = kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("work"));
            (!primary, !work, kind, text(element, "value"))
        })
        .and_then(value_of)
}

/// The address by which a person is looked up elsewhere: nothing is invented where there is none.
pub fn lookup_email(user: &Resource) -> Option<&str> {
    email(user).or_else(|| user.text("userName").filter(|name| name.contains('@')))
}

/// The login name of a new agent, made by the tenant's template.
///
/// Never ends in a number of our own: a login name that nobody can predict is worse than an error.
pub fn login_name(template: &str, user_name: &str, account_id: &str) -> String {
    let (local, domain) = user_name.split_once('@').unwrap_or((user_name, ""));
    template
        .replace("{userName}", user_name)
        .replace("{local}", local)
        .replace("{domain}", domain)
        .replace("{accountId}", account_id)
}

/// Whether `seen` is the login name that RingCX makes of `sent` for agents linked to RingCentral:
/// `local+{accountId}_{number}@domain`.
pub fn is_rewritten_login(sent: &str, seen: &str, account_id: &str) -> bool {
    if fold(sent) == fold(seen) {
        return true;
    }
    let (sent, seen) = (fold(sent), fold(seen));
    let Some((local, domain)) = sent.split_once('@') else { return false };
    let Some((seen_local, seen_domain)) = seen.rsplit_once('@') else { return false };
    let number = seen_local
        .strip_prefix(local)
        .and_then(|rest| rest.strip_prefix('+'))
        .and_then(|rest| rest.strip_prefix(account_id))
        .and_then(|rest| rest.strip_prefix('_'));
    seen_domain == domain
        && number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The login name of which RingCX has made `seen`: without `+{accountId}_{number}`.
pub fn original_login(seen: &str, account_id: &str) -> Option<String> {
    let (local, domain) = seen.rsplit_once('@')?;
    let (before, number) = local.rsplit_once(&format!("+{account_id}_"))?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("{before}@{domain}"))
}

/// Whether a text has the form of an e-mail address: something, an at sign, something, and no blanks.
pub fn is_address(text: &str) -> bool {
    let blank = |letter: char| letter.is_whitespace() || letter.is_control();
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@') && !text.contains(blank)
    })
}

/// The elements of a multi-valued attribute.
pub(super) fn elements<'a>(resource: &'a Resource, attribute: &str) -> impl Iterator<Item = &'a Value> {
    resource.get(attribute).and_then(Value::as_array).into_iter().flatten()
}

/// The `value` of an element.
pub(super) fn value_of(element: &Value) -> Option<&str> {
    text_of(element, "value")
}

/// A text of an element.
pub(super) fn text_of<'a>(element: &'a Value, name: &str) -> Option<&'a str> {
    element.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(body: Value) -> Resource {
        let Value::Object(body) = body else { panic!("not an object") };
        Resource::from_object(body)
    }

    #[test]
    fn email_selection_order() {
        let all = json!([
            {"type": "home", "value": "b@home"}, {"type": "home", "value": "a@home"},
            {"type": "work", "value": "w@work"}, {"type": "other", "value": "p@other", "primary": true},
        ]);
        assert_eq!(email(&user(json!({"emails": all}))), Some("p@other"));
        let without_primary = json!([all[0], all[1], all[2]]);
        assert_eq!(email(&user(json!({"emails": without_primary}))), Some("w@work"));
        let only_home = json!([all[0], all[1]]);
        assert_eq!(email(&user(json!({"emails": only_home}))), Some("a@home"));
        assert_eq!(email(&user(json!({}))), None);
    }

    #[test]
    fn login_names_follow_the_template() {
        assert_eq!(login_name("{userName}", "jo@b.com", "7"), "jo@b.com");
        assert_eq!(login_name("{local}.{accountId}@{domain}", "jo@b.com", "7"), "jo.7@b.com");
        assert_eq!(login_name("{local}", "jo", "7"), "jo");
    }

    #[test]
    fn rewritten_logins_are_recognised_by_account_and_number() {
        let same = |seen| is_rewritten_login("Jo@b.com", seen, "15300002");
        assert!(same("jo@b.com"));
        assert!(same("jo+15300002_1791@b.com"));
        for other in [
            "jo+15300003_1@b.com",
            "jo+15300002_@b.com",
            "jo+15300002_1x@b.com",
            "joe@b.com",
            "jo+15300002_1@c.com",
        ] {
            assert!(!same(other), "{other}");
        }
    }
}
