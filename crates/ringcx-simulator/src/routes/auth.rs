//! Signing in: the platform's JWT grant, the exchange, the refresh.

use serde_json::{Value, json};

use super::Req;
use crate::answer::Answer;
use crate::knobs::Knobs;
use crate::seed::SERVICE;
use crate::world::{Token, World};

pub(crate) fn platform_token(world: &mut World, req: &Req) -> Answer {
    let (id, secret) = &world.seed.client;
    let expected = format!("Basic {}", base64(format!("{id}:{secret}").as_bytes(), false));
    if req.authorization.as_deref() != Some(expected.as_str()) {
        return oauth_error(401, "invalid_client", "OAU-146", "Invalid client credentials");
    }
    if req.form("grant_type") != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return oauth_error(400, "invalid_request", "OAU-250", "Unsupported grant type");
    }
    if req.form("assertion") != Some(world.seed.jwt.as_str()) {
        return oauth_error(400, "invalid_grant", "OAU-210", "Token expired");
    }
    let ttl = i64::try_from(Knobs::number(&world.knobs.expires_in)).unwrap_or(3600);
    let ends = world.now() + ttl * 1000;
    let token = format!("rc-{}", world.fresh_id());
    world.platform.push(Token { token: token.clone(), ends });
    Answer::ok(&json!({
        "access_token": token, "token_type": "bearer", "expires_in": ttl, "scope": "ReadAccounts",
        "owner_id": "100", "endpoint_id": "simulated",
    }))
}

pub(crate) fn revoke(world: &mut World, req: &Req) -> Answer {
    let token = req.form("token").unwrap_or_default().to_owned();
    world.platform.retain(|it| it.token != token);
    Answer::empty(200)
}

pub(crate) fn exchange(world: &mut World, req: &Req) -> Answer {
    let given = |name: &str| match world.knobs.exchange_params.as_str() {
        "body" => req.form(name),
        "query" => req.query(name),
        _ => req.form(name).or_else(|| req.query(name)),
    };
    let token = given("rcAccessToken").unwrap_or_default();
    let now = world.now();
    if given("rcTokenType") != Some("Bearer")
        || !world.platform.iter().any(|it| it.token == token && now < it.ends)
    {
        return Answer::error(401, "The RingCentral token is not valid", "");
    }
    let with_refresh = req.query("includeRefresh").or_else(|| req.form("includeRefresh")) == Some("true");
    signed_in(world, with_refresh)
}

pub(crate) fn refresh(world: &mut World, req: &Req) -> Answer {
    let token =
        req.form("refresh_token").or_else(|| req.query("refresh_token")).unwrap_or_default().to_owned();
    let now = world.now();
    if !world.refresh.iter().any(|it| it.token == token && now < it.ends) {
        return Answer::error(401, "The refresh token is not valid", "");
    }
    if world.knobs.refresh_reuse == "reject" {
        world.refresh.retain(|it| it.token != token);
    }
    signed_in(world, true)
}

fn signed_in(world: &mut World, with_refresh: bool) -> Answer {
    let now = world.now();
    let ends = now + i64::try_from(Knobs::number(&world.knobs.token_ttl_s)).unwrap_or(300) * 1000;
    let number = world.fresh_id();
    let claims = json!({"sub": "100", "exp": ends / 1000, "jti": number}).to_string();
    let token = match world.knobs.token_shape.as_str() {
        "opaque" => format!("opaque-{number}"),
        _ => format!("{}.{}.simulated", base64(br#"{"alg":"HS256"}"#, true), base64(claims.as_bytes(), true)),
    };
    world.access.push(Token { token: token.clone(), ends });
    let mut answer = json!({
        "accessToken": token, "tokenType": "Bearer", "mainAccountId": world.seed.main_account_id, "adminId": SERVICE,
        "agentDetails": null, "ssoLogin": false, "rcUser": {"firstName": "Bridge", "lastName": "Service"},
    });
    if with_refresh {
        let refresh = format!("refresh-{number}");
        let ends = now + i64::try_from(Knobs::number(&world.knobs.refresh_ttl_s)).unwrap_or(600) * 1000;
        world.refresh.push(Token { token: refresh.clone(), ends });
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("refreshToken".to_owned(), json!(refresh));
        }
    }
    Answer::ok(&answer)
}

pub(crate) fn is_signed_in(world: &World, req: &Req) -> bool {
    if let Some(token) = &req.api_token {
        return world.knobs.api_token == "on" && world.api_tokens.contains_key(token);
    }
    holds(req, &world.access, world.now())
}

/// Whose the call is: the owner of its permanent token, or the service administrator.
fn caller(world: &World, req: &Req) -> i64 {
    req.api_token.as_ref().and_then(|token| world.api_tokens.get(token)).copied().unwrap_or(SERVICE)
}

/// The status that a call gets whose owner is switched off, where tokens die with their owners.
pub(crate) fn refusal_of_disabled(world: &World, req: &Req) -> Option<u16> {
    let enabled = world.admins.get(&caller(world, req)).and_then(|admin| admin.get("enabled"));
    let dies = req.api_token.is_some() && enabled == Some(&json!(false));
    world.knobs.disabled_token.parse().ok().filter(|_| dies)
}

pub(crate) fn is_signed_in_at_platform(world: &World, req: &Req) -> bool {
    holds(req, &world.platform, world.now())
}

fn holds(req: &Req, tokens: &[Token], now: i64) -> bool {
    let bearer = req.authorization.as_deref().and_then(|text| text.strip_prefix("Bearer "));
    bearer.is_some_and(|given| tokens.iter().any(|it| it.token == given && now < it.ends))
}

pub(crate) fn validate(_: &mut World, _: &Req) -> Answer {
    Answer::text(200, "valid")
}

pub(crate) fn who_am_i(world: &mut World, req: &Req) -> Answer {
    let user = world.admins.get(&caller(world, req)).cloned().map(Value::Object).unwrap_or_default();
    Answer::ok(&json!({
        "platformHost": "simulated", "user": user,
        "accounts": [{"accountId": world.seed.account_id, "mainAccountId": world.seed.main_account_id}],
    }))
}

pub(crate) fn own_detail(world: &mut World, req: &Req) -> Answer {
    Answer::ok(
        &json!({"adminId": caller(world, req), "evMainAccountId": world.seed.main_account_id, "agentDetails": []}),
    )
}

pub(crate) fn api_tokens(world: &mut World, req: &Req) -> Answer {
    let whose = caller(world, req);
    let own = world.api_tokens.iter().filter(|(_, owner)| **owner == whose).map(|(token, _)| token);
    Answer::ok(&json!(own.collect::<Vec<_>>()))
}

pub(crate) fn create_api_token(world: &mut World, req: &Req) -> Answer {
    let whose = caller(world, req);
    let number = world.fresh_id();
    let token = format!("aws80:00000000-0000-4000-8000-{number:012}");
    world.api_tokens.insert(token.clone(), whose);
    Answer::text(200, &token)
}

pub(crate) fn delete_api_token(world: &mut World, req: &Req) -> Answer {
    if world.api_tokens.remove(req.param("token")).is_none() {
        return Answer::not_found();
    }
    if world.knobs.token_delete == "204" { Answer::empty(204) } else { Answer::text(200, "true") }
}

fn oauth_error(status: u16, error: &str, code: &str, message: &str) -> Answer {
    Answer::json(
        status,
        &json!({
            "error": error, "error_description": message, "errors": [{"errorCode": code, "message": message}],
        }),
    )
}

/// Base64 (RFC 4648 §4), or its URL form without padding (§5).
fn base64(bytes: &[u8], url: bool) -> String {
    let alphabet: &[u8; 64] = if url {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    } else {
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    };
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (bits >> (18 - 6 * place)) & 63;
                text.push(alphabet.get(index as usize).copied().map_or('=', char::from));
            } else if !url {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes(), false), coded);
        }
        assert_eq!(base64(b"fo", true), "Zm8");
    }
}
