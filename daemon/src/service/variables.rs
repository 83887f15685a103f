//! Variables: a tenant's values that its workflows read as `vars.NAME`. They are shown to whoever may read them, so
//! they are no place for secrets.
//!
//! A run reads the values that hold when a step is handed on, so a change reaches runs that wait.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::variable::{VariablePut, VariableView, is_variable_name};

use super::catalog::Live;
use super::{Authorized, Service, cursor};
use crate::error::{Error, Result};
use crate::store::ReadTx;
use crate::store::tenant::variables::{self, Variable};

/// Variables of one tenant.
pub const COUNT_LIMIT: u32 = 500;
/// Bytes of one value as JSON.
const VALUE_LIMIT: usize = 16 * 1024;

/// Every variable by name, as expressions see them.
pub fn all(tx: &ReadTx<'_>) -> Result<Value> {
    let rows = variables::list(tx, "", COUNT_LIMIT)?;
    Ok(Value::Object(rows.into_iter().map(|row| (row.name, parse(&row.value))).collect::<Map<_, _>>()))
}

/// `vars` for the expressions of a workflow, read only where they ask for it.
pub fn of(tx: &ReadTx<'_>, live: &Live) -> Result<Arc<Value>> {
    if live.workflow.vars.is_empty() { Ok(Arc::default()) } else { all(tx).map(Arc::new) }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn view(row: Variable) -> VariableView {
    VariableView {
        value: parse(&row.value),
        name: row.name,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    }
}

impl Service {
    /// Lists variables by name.
    pub async fn list_variables(&self, by: &Authorized, query: &PageQuery) -> Result<Page<VariableView>> {
        let tenant = by.require_tenant(Permission::VariableRead)?;
        let (after, size) = (query.after.clone().unwrap_or_default(), query.size());
        let rows = self.store.tenant(tenant.id)?.read(move |tx| variables::list(tx, &after, size)).await?;
        Ok(cursor::page(rows, size, |row| row.name.clone(), view))
    }

    /// Shows a variable.
    pub async fn get_variable(&self, by: &Authorized, name: &str) -> Result<VariableView> {
        let tenant = by.require_tenant(Permission::VariableRead)?;
        let wanted = name.to_owned();
        let row = self.store.tenant(tenant.id)?.read(move |tx| variables::get(tx, &wanted)).await?;
        row.map(view).ok_or_else(|| Error::not_found("variable", cursor::shown(name)))
    }

    /// Writes a variable.
    pub async fn put_variable(
        self: &Arc<Self>,
        by: &Authorized,
        name: &str,
        put: VariablePut,
    ) -> Result<VariableView> {
        let tenant = by.require_tenant(Permission::VariableEdit)?;
        if !is_variable_name(name) {
            let detail = format!("{:?} is no name of a variable", cursor::shown(name));
            return Err(Error::new(ErrorCode::BadIdentifier, detail)
                .with_hint("letters, digits and underscores, such as REGION; at most 63"));
        }
        let value = put.value.to_string();
        if value.len() > VALUE_LIMIT {
            let detail = format!("the value of {name} has {} bytes; {VALUE_LIMIT} are possible", value.len());
            return Err(Error::new(ErrorCode::BodyTooLarge, detail));
        }
        let (name, context) = (name.to_owned(), by.context.clone());
        let written = self.change(tenant, move |ledger| {
            if variables::count_others(ledger.tx, &name)? >= u64::from(COUNT_LIMIT) {
                let detail = format!("the tenant has {COUNT_LIMIT} variables, as many as it may");
                return Err(Error::new(ErrorCode::StateConflict, detail).with_hint("delete one first"));
            }
            let row = Variable { name, value, updated_at: ledger.now, updated_by: context.actor() };
            variables::put(ledger.tx, &row)?;
            ledger.audit_by(&context, "var.put", &row.name, &json!({ "value": parse(&row.value) }))?;
            Ok(view(row))
        });
        let written = written.await?;
        self.catalog.changed(tenant.id);
        Ok(written)
    }

    /// Deletes a variable.
    pub async fn delete_variable(self: &Arc<Self>, by: &Authorized, name: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::VariableEdit)?;
        let (name, context) = (name.to_owned(), by.context.clone());
        self.change(tenant, move |ledger| {
            if !variables::delete(ledger.tx, &name)? {
                return Err(Error::not_found("variable", cursor::shown(&name)));
            }
            ledger.audit_by(&context, "var.delete", &name, &json!({}))
        })
        .await?;
        self.catalog.changed(tenant.id);
        Ok(())
    }
}
