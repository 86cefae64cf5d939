//! Tokens of service accounts: issuing them, and who it is that shows one.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::object::{member_mut, meta_str, root_mut, set, set_meta};
use super::{Registry, Target, User, WriteOptions, codec, errors};
use crate::ambient::time_text;
use crate::managed::{self, Changes, FieldSet, Manager, Operation, Writing};
use crate::schema::Schema;
use crate::status::{Details, Reason, Status};
use crate::tokens::{Bound, Claims, ISSUER, Kubernetes, Refused, Signer};
use crate::validation::gofmt::quote;
use crate::validation::{Path, field};

const GROUP: &str = "authentication.k8s.io";
const KIND: &str = "TokenRequest";

/// How long a token is good for when nothing is said, in seconds.
const USUAL_LIFE: i64 = 3600;
/// Bounds of that.
const SHORTEST_LIFE: i64 = 600;
const LONGEST_LIFE: i64 = 1 << 32;
/// Clocks may differ by so many seconds.
const LEEWAY: i64 = 60;

/// Kinds that a token can be bound to, and their plural names.
const BINDABLE: [(&str, &str); 3] = [("Pod", "pods"), ("Node", "nodes"), ("Secret", "secrets")];

/// The key of the tokens, made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Key(OnceLock<Signer>);

impl Key {
    fn get(&self) -> Result<&Signer, Status> {
        if let Some(signer) = self.0.get() {
            return Ok(signer);
        }
        let made = Signer::generate()?;
        // Who comes second uses the first one's.
        Ok(self.0.get_or_init(|| made))
    }
}

impl Registry {
    /// The public keys that tokens can be verified with, as a JSON Web Key Set.
    ///
    /// # Errors
    /// 500 when no key can be made.
    pub(crate) fn token_keys(&self) -> Result<Value, Status> {
        Ok(self.token_key.get()?.key_set())
    }

    /// Answers a `TokenRequest` for the service account `target`.
    ///
    /// # Errors
    /// 400, 404, 409 and 422 with kube-apiserver's texts.
    pub(super) async fn issue_token(
        &self,
        target: &Target,
        sent: &Value,
        options: &WriteOptions,
    ) -> Result<Value, Status> {
        let refused = |name: &str, problem| field::invalid(KIND, GROUP, name, &[problem]);
        let name = meta_str(sent, "name");
        if !name.is_empty() && name != target.name {
            let path = Path::new("metadata");
            let why = "must match the service account name if specified";
            let problem = field::Error::invalid(&path.child("name"), name, why);
            return Err(refused(&target.name, problem));
        }
        let account = self
            .find(target)
            .await?
            .ok_or_else(|| errors::not_found(&target.resource, &target.name))?;
        let mut object = sent.clone();
        let spec = member_mut(root_mut(&mut object), "spec");
        let life = spec.get("expirationSeconds").and_then(Value::as_i64);
        let life = life.unwrap_or(USUAL_LIFE);
        set(spec, "expirationSeconds", Some(life.into()));
        let owners = self.owners(&object, options)?;
        let why = match life {
            ..SHORTEST_LIFE => Some("may not specify a duration less than 10 minutes"),
            SHORTEST_LIFE..=LONGEST_LIFE => None,
            _ => Some("may not specify a duration larger than 2^32 seconds"),
        };
        if let Some(why) = why {
            let path = Path::new("spec");
            let problem = field::Error::invalid(&path.child("expirationSeconds"), life, why);
            return Err(refused("", problem));
        }

        let now = self.ambient.now();
        let begin = now.as_second();
        let mut claims = Claims {
            aud: texts(&object["spec"]["audiences"]),
            exp: begin + life,
            iat: begin,
            iss: ISSUER.to_owned(),
            jti: self.ambient.uid(),
            kubernetes: Kubernetes::default(),
            nbf: begin,
            sub: format!("system:serviceaccount:{}:{}", target.namespace, target.name),
        };
        if claims.aud.is_empty() {
            claims.aud.push(ISSUER.to_owned());
        }
        claims.kubernetes.namespace.clone_from(&target.namespace);
        claims.kubernetes.serviceaccount = bound(&account);
        self.bind_token(target, &object["spec"]["boundObjectRef"], &mut claims)
            .await?;
        let token = self.token_key.get()?.sign(&claims)?;

        let end = jiff::Timestamp::from_second(claims.exp)
            .map_err(|error| Status::untyped(format!("the token has no end: {error}")))?;
        set_meta(&mut object, "name", Some(target.name.as_str().into()));
        let namespace = target.namespace.as_str();
        set_meta(&mut object, "namespace", Some(namespace.into()));
        set_meta(&mut object, "uid", Some(meta_str(&account, "uid").into()));
        let created = self.ambient.now_text();
        set_meta(&mut object, "creationTimestamp", Some(created.into()));
        set_meta(&mut object, "managedFields", owners);
        let members = root_mut(&mut object);
        members.insert("kind".into(), KIND.into());
        members.insert("apiVersion".into(), format!("{GROUP}/v1").into());
        set(
            member_mut(members, "spec"),
            "audiences",
            Some(json!(claims.aud)),
        );
        let status = json!({"token": token, "expirationTimestamp": time_text(end)});
        set(members, "status", Some(status));
        Ok(object)
    }

    /// Who owns the fields of a request that is kept nowhere: whoever sends it.
    fn owners(&self, sent: &Value, options: &WriteOptions) -> Result<Option<Value>, Status> {
        let ty = Schema::builtin().kind(GROUP, "v1", KIND);
        let ty = ty.ok_or_else(|| Status::untyped("the schema has no TokenRequest"))?;
        let nothing = Schema::builtin().normalize(&ty, &json!({}));
        let nothing = nothing.map_err(|error| Status::untyped(error.to_string()))?;
        let manager = Manager {
            name: options.manager.clone(),
            operation: Operation::Update,
            api_version: format!("{GROUP}/v1"),
            subresource: options.subresource.clone(),
        };
        let writing = Writing {
            ty: &ty,
            manager: &manager,
            reset: &FieldSet::default(),
            now: &self.ambient.now_text(),
            versions: None,
        };
        let changes = Changes::between(&writing, &nothing.value, sent);
        let entries = managed::update(&writing, &changes, Vec::new());
        Ok(managed::encode(&entries))
    }

    /// Writes what a token is to end with into its claims.
    async fn bind_token(
        &self,
        target: &Target,
        reference: &Value,
        claims: &mut Claims,
    ) -> Result<(), Status> {
        if reference.is_null() {
            return Ok(());
        }
        let text = |member: &str| reference[member].as_str().unwrap_or_default();
        let (kind, name) = (text("kind"), text("name"));
        let api_version = text("apiVersion");
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let known = BINDABLE
            .iter()
            .find(|(bindable, _)| group.is_empty() && *bindable == kind);
        let Some((_, plural)) = known else {
            return Err(Status::bad_request(format!(
                "cannot bind token to object of type {group}/{version}, Kind={kind}"
            )));
        };
        if name.is_empty() {
            return Err(Status::bad_request("Name parameter required."));
        }
        let place = self.beside(target, plural, name)?;
        let found = self.find(&place).await?;
        let found = found.ok_or_else(|| errors::not_found(&place.resource, name))?;
        if kind == "Pod" && found["spec"]["serviceAccountName"] != target.name.as_str() {
            return Err(Status::bad_request(format!(
                "cannot bind token for serviceaccount {} to pod running with different serviceaccount name.",
                quote(&target.name)
            )));
        }
        let (wanted, there) = (text("uid"), bound(&found));
        if !wanted.is_empty() && wanted != there.uid {
            let text = format!(
                "Operation cannot be fulfilled on {kind} {}: the UID in the bound object reference ({wanted}) does not \
                 match the UID in record. The object might have been deleted and then recreated",
                quote(name)
            );
            let details = Details {
                name: name.to_owned(),
                kind: kind.to_owned(),
                ..Details::default()
            };
            return Err(Status::new(409, Reason::Conflict, text).with_details(details));
        }
        let claims = &mut claims.kubernetes;
        match kind {
            "Pod" => {
                claims.pod = Some(there);
                let node = found["spec"]["nodeName"].as_str().unwrap_or_default();
                if !node.is_empty() {
                    let there = self.find(&self.beside(target, "nodes", node)?).await?;
                    claims.node = Some(Bound {
                        name: node.to_owned(),
                        uid: there.map(|node| bound(&node).uid).unwrap_or_default(),
                    });
                }
            }
            "Node" => claims.node = Some(there),
            _ => claims.secret = Some(there),
        }
        Ok(())
    }

    /// Whose token it is, and which of the audiences it is for. No audience asked for means this server.
    ///
    /// # Errors
    /// For a token that is not this server's, or not good any more.
    pub(crate) async fn token_user(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<(User, Vec<String>), Refused> {
        let failed = |status: Status| Refused::Claims(status.message);
        let claims = self.token_key.get().map_err(failed)?.verify(token)?;
        let own = [ISSUER.to_owned()];
        let wanted = if audiences.is_empty() {
            &own
        } else {
            audiences
        };
        let good: Vec<String> = wanted
            .iter()
            .filter(|audience| claims.aud.contains(audience))
            .cloned()
            .collect();
        if good.is_empty() {
            return Err(Refused::Claims(format!(
                "token audiences {} is invalid for the target audiences {}",
                quoted(&claims.aud),
                quoted(wanted)
            )));
        }
        let now = self.ambient.now().as_second();
        if now > claims.exp.saturating_add(LEEWAY) {
            let text = "service account token has expired";
            return Err(Refused::Claims(text.to_owned()));
        }
        if now < claims.nbf.saturating_sub(LEEWAY) {
            let text = "service account token is not valid yet";
            return Err(Refused::Claims(text.to_owned()));
        }
        self.check_bounds(&claims).await?;
        Ok((user(&claims), good))
    }

    /// Whether everything that the token is bound to is there still.
    async fn check_bounds(&self, claims: &Claims) -> Result<(), Refused> {
        let failed = |status: Status| Refused::Claims(status.message);
        let of = &claims.kubernetes;
        let account = self.resource("", "v1", "serviceaccounts");
        let account = Target {
            resource: account.ok_or(Refused::Unknown)?,
            namespace: of.namespace.clone(),
            name: of.serviceaccount.name.clone(),
        };
        let found = self.find(&account).await.map_err(failed)?;
        let found = found
            .ok_or_else(|| errors::not_found(&account.resource, &account.name))
            .map_err(failed)?;
        let (live, claimed) = (meta_str(&found, "uid"), &of.serviceaccount.uid);
        if live != claimed {
            return Err(Refused::Claims(format!(
                "service account UID ({live}) does not match claim ({claimed})"
            )));
        }
        // The node of a Pod is for information.
        let node = of.node.as_ref().filter(|_| of.pod.is_none());
        for (kind, plural, bound) in [
            ("secret", "secrets", of.secret.as_ref()),
            ("pod", "pods", of.pod.as_ref()),
            ("node", "nodes", node),
        ] {
            let Some(bound) = bound else { continue };
            let place = self.beside(&account, plural, &bound.name).map_err(failed)?;
            let Some(found) = self.find(&place).await.map_err(failed)? else {
                let text = "service account token has been invalidated";
                return Err(Refused::Claims(text.to_owned()));
            };
            let (live, claimed) = (meta_str(&found, "uid"), &bound.uid);
            if live != claimed {
                return Err(Refused::Claims(format!(
                    "{kind} UID ({live}) does not match service account {kind} ref claim ({claimed})"
                )));
            }
        }
        Ok(())
    }

    /// Another object of the core group, in the namespace of `target` if it is in any.
    fn beside(&self, target: &Target, plural: &str, name: &str) -> Result<Target, Status> {
        let resource = self.resource("", "v1", plural);
        let resource = resource.ok_or_else(errors::missing_resource)?;
        let namespace = if resource.api.namespaced {
            target.namespace.clone()
        } else {
            String::new()
        };
        Ok(Target {
            resource,
            namespace,
            name: name.to_owned(),
        })
    }

    async fn find(&self, target: &Target) -> Result<Option<Value>, Status> {
        let stored = self.entry(target).await?;
        stored.as_ref().map(codec::decode_stored).transpose()
    }
}

fn bound(object: &Value) -> Bound {
    Bound {
        name: meta_str(object, "name").to_owned(),
        uid: meta_str(object, "uid").to_owned(),
    }
}

/// The user whose token says these claims.
fn user(claims: &Claims) -> User {
    const PREFIX: &str = "authentication.kubernetes.io";
    let of = &claims.kubernetes;
    let id = format!("JTI={}", claims.jti);
    let mut extra = vec![(format!("{PREFIX}/credential-id"), vec![id])];
    for (kind, bound) in [("pod", &of.pod), ("node", &of.node)] {
        if let Some(bound) = bound {
            extra.push((format!("{PREFIX}/{kind}-name"), vec![bound.name.clone()]));
            extra.push((format!("{PREFIX}/{kind}-uid"), vec![bound.uid.clone()]));
        }
    }
    let all = "system:serviceaccounts";
    User {
        name: claims.sub.clone(),
        uid: of.serviceaccount.uid.clone(),
        groups: vec![
            all.to_owned(),
            format!("{all}:{}", of.namespace),
            "system:authenticated".to_owned(),
        ],
        extra: extra.into_iter().collect(),
    }
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Texts as Go's `%q` shows a list of them.
fn quoted(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", texts.join(" "))
}
