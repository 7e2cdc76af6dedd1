//! Lets a statement be stopped while a join works.
//!
//! A statement ends where it yields to its runtime, and DataFusion yields by the batches that come from files and tables. A join makes any
//! number of batches of one: a thousand million pairs would all come before the next yield.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use std::sync::Arc;

/// Yields by the batches of every join too.
#[derive(Debug)]
pub(crate) struct YieldInJoins;

fn is_join(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<CrossJoinExec>() || node.is::<HashJoinExec>() || node.is::<NestedLoopJoinExec>() || node.is::<SortMergeJoinExec>()
}

impl PhysicalOptimizerRule for YieldInJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            Ok(if is_join(&node) { Transformed::yes(Arc::new(CooperativeExec::new(node))) } else { Transformed::no(node) })
        })
        .data()
    }

    fn name(&self) -> &str {
        "yield_in_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}
