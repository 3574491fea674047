using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// TRUNCATE of the tables of one source statement. CASCADE is not repeated: the tables it reached at the source are in the stream by
/// themselves, and what refers to them here only is not ours to empty. Where a foreign key of such a table forbids TRUNCATE, rows are deleted.
/// </summary>
sealed class Truncation(ApplyContext context)
{
    public async ValueTask RunAsync(IReadOnlyList<TablePlan> plans, bool restartIdentity, CancellationToken cancellationToken)
    {
        context.Begin();
        var emptied = plans.Select(p => p.Target.Oid).ToHashSet();
        var together = new List<TablePlan>();
        foreach (var plan in plans)
        {
            if (plan.Target.ReferencedBy.Any(oid => !emptied.Contains(oid)))
                Query(plan, $"DELETE FROM {plan.Target.OnlySql}");
            else if (plan.Target.ReferencedBy.Count > 0 || plan.Target.HasForeignKeys)
                together.Add(plan);
            else
                Query(plan, Sql([plan], restartIdentity));
        }

        if (together.Count > 0)
            Query(together[0], Sql(together, restartIdentity));
        await context.Line.DrainAsync(cancellationToken);
    }

    void Query(TablePlan plan, string sql) => context.Line.Filling.Query(sql, new Step(0, plan, StepKind.Plain));

    static string Sql(IEnumerable<TablePlan> plans, bool restartIdentity) =>
        $"TRUNCATE {string.Join(", ", plans.Select(p => p.Target.OnlySql))}{(restartIdentity ? " RESTART IDENTITY" : "")}";
}
