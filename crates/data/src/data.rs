//! The engine's handle.

use crate::core::Core;
use crate::{
    BatchStep, BatchStepDone, Call, Create, Created, Delete, Guard, Hooks, ObjectPage, ObjectQuery,
    SchemaChangeRequest, SchemaView, Update, Updated, read, schema, write,
};
use basalt_base::{Clock, Limits, Map, Result, Rng, Value};
use basalt_store::{AppStore, Path};
use std::sync::Arc;

/// What the engine needs from outside.
#[derive(Clone)]
pub struct Deps {
    /// The app's store.
    pub store: Arc<dyn AppStore>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Code around operations.
    pub hooks: Arc<dyn Hooks>,
    /// Keeper of the system collections.
    pub guard: Arc<dyn Guard>,
}

/// Product settings of one app that concern its data.
#[derive(Clone, Debug)]
pub struct Options {
    /// Limits.
    pub limits: Limits,
    /// Whether clients may make collections by writing to them.
    pub allow_client_collection_creation: bool,
    /// Whether clients may choose ids.
    pub allow_custom_ids: bool,
    /// Length of generated ids.
    pub id_length: usize,
    /// Whether collections made without rules are open to everybody; otherwise only the master key
    /// gets in.
    pub new_collections_open: bool,
    /// Whether a new user may only be read by itself.
    pub private_users: bool,
    /// Whether messages of refusals hide what exactly is missing.
    pub sanitize_refusals: bool,
    /// Fields hidden in addition to the rules, by collection: group and fields.
    pub protected_fields: Vec<(Arc<str>, crate::FieldRule)>,
    /// Whether an object's own user is exempt from protected fields of `_User`.
    pub protected_fields_owner_exempt: bool,
    /// Keys that may appear nowhere in what a client sends, as patterns: a plain key, or
    /// `{"key":…}`, `{"value":…}` or both as JSON text.
    pub key_denylist: Vec<Box<str>>,
    /// Most rows of one query for clients; `None` for no cap.
    pub query_rows_max: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            allow_client_collection_creation: false,
            allow_custom_ids: false,
            id_length: 10,
            new_collections_open: false,
            private_users: true,
            sanitize_refusals: true,
            protected_fields: Vec::new(),
            protected_fields_owner_exempt: true,
            key_denylist: Vec::new(),
            query_rows_max: None,
        }
    }
}

/// The data of one app. Cheap to clone.
#[derive(Clone)]
pub struct Data {
    core: Arc<Core>,
}

impl Data {
    /// An engine over an open store.
    pub fn new(deps: Deps, options: Options) -> Self {
        Self {
            core: Arc::new(Core::new(deps, options)),
        }
    }

    /// What it was made with.
    pub fn deps(&self) -> &Deps {
        &self.core.deps
    }

    /// Its settings.
    pub fn options(&self) -> &Options {
        &self.core.options
    }

    /// Refuses what holds a denied key at any depth; for bodies that are no objects.
    pub fn check_keywords(&self, value: &Value) -> Result<()> {
        self.core.keywords.check_value(value)
    }

    /// Finds objects (and counts them when asked). An unknown collection has no objects.
    pub fn find<'a>(
        &'a self,
        call: &'a Call,
        query: ObjectQuery,
    ) -> impl Future<Output = Result<ObjectPage>> + Send + 'a {
        read::find(&self.core, call, query)
    }

    /// Gets one object; `query.filter` is ignored. Errors: `ObjectNotFound`, refusals.
    pub fn get<'a>(
        &'a self,
        call: &'a Call,
        id: &'a str,
        query: ObjectQuery,
    ) -> impl Future<Output = Result<ObjectPage>> + Send + 'a {
        read::get(&self.core, call, id, query)
    }

    /// Plans to watch the objects that a query finds, for as long as rights and schema stay as they
    /// are ([`crate::Watch::version`]). `fields`: an update that changes none of these is not
    /// watched; `None` for all updates. Hooks are not asked. Errors: those of a find, and
    /// `UnsupportedQuery` where an object alone can't tell whether it is meant.
    pub fn watch(
        &self,
        call: &Arc<Call>,
        query: ObjectQuery,
        fields: Option<Vec<Path>>,
    ) -> Result<crate::Watch> {
        read::watch(&self.core, call, query, fields)
    }

    /// Makes an object.
    pub async fn create(&self, call: &Call, create: Create) -> Result<Created> {
        write::create(&self.core, call, create).await
    }

    /// Changes an object.
    pub async fn update(&self, call: &Call, update: Update) -> Result<Updated> {
        write::update(&self.core, call, update).await
    }

    /// Deletes an object.
    pub async fn delete(&self, call: &Call, delete: Delete) -> Result<()> {
        write::delete(&self.core, call, delete).await
    }

    /// Applies all steps or none, retrying conflicts; the error names no step. Later steps see
    /// earlier ones.
    pub async fn transaction(
        &self,
        call: &Call,
        steps: Vec<BatchStep>,
    ) -> Result<Vec<BatchStepDone>> {
        write::transaction(&self.core, call, steps).await
    }

    /// Independent steps that share one durable commit; each has its own result.
    pub async fn batch(
        &self,
        call: &Call,
        steps: Vec<BatchStep>,
    ) -> Result<Vec<Result<BatchStepDone>>> {
        write::batch(&self.core, call, steps).await
    }

    /// Distinct values at a path among the objects that the query finds. Master key only.
    pub async fn distinct(
        &self,
        call: &Call,
        query: ObjectQuery,
        path: &Path,
    ) -> Result<Vec<Value>> {
        read::distinct(&self.core, call, query, path).await
    }

    /// Runs an aggregate pipeline in engine names (`_id`, `_created_at`, `_updated_at`). Master
    /// key only.
    pub async fn aggregate(
        &self,
        call: &Call,
        collection: &str,
        pipeline: &Value,
    ) -> Result<Vec<Map>> {
        read::aggregate(&self.core, call, collection, pipeline).await
    }

    /// Deletes every object of a collection. Master key only.
    pub async fn purge(&self, call: &Call, collection: &str) -> Result<()> {
        write::purge(&self.core, call, collection).await
    }

    /// All schemas. Master key only, like all schema calls.
    pub async fn schemas(&self, call: &Call) -> Result<Vec<SchemaView>> {
        schema::list(&self.core, call)
    }

    /// One schema.
    pub async fn schema(&self, call: &Call, collection: &str) -> Result<SchemaView> {
        schema::get(&self.core, call, collection)
    }

    /// Makes a collection.
    pub async fn create_schema(
        &self,
        call: &Call,
        request: SchemaChangeRequest,
    ) -> Result<SchemaView> {
        schema::create(&self.core, call, request).await
    }

    /// Changes a collection's schema.
    pub async fn update_schema(
        &self,
        call: &Call,
        request: SchemaChangeRequest,
    ) -> Result<SchemaView> {
        schema::update(&self.core, call, request).await
    }

    /// Drops an empty collection.
    pub async fn delete_schema(&self, call: &Call, collection: &str) -> Result<()> {
        schema::delete(&self.core, call, collection).await
    }
}
