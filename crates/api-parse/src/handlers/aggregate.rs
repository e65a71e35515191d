//! Aggregates and distinct values, by the master key.

use crate::decode::{self, Aggregate};
use crate::encode;
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::Result;

/// Runs a pipeline, or lists distinct values.
pub async fn aggregate(req: &Req<'_>) -> Result<Reply> {
    let class = req.class()?;
    let data = &req.app.data;
    let catalogue = data.deps().store.catalogue();
    let collection = catalogue.collection(class).map(|found| &**found);
    let params = req.params();
    let body = match decode::aggregate(&req.cx(), class, &params, req.body, collection)? {
        Aggregate::Pipeline(pipeline) => {
            let rows = data.aggregate(req.call, class, &pipeline).await?;
            encode::rows(&rows, req.files())
        }
        Aggregate::Distinct(query, path) => {
            let values = data.distinct(req.call, *query, &path).await?;
            encode::distinct(&values, req.files())
        }
    };
    Ok(Reply::ok(body))
}
