using System.Globalization;
using Rosetta.Core.Changes;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Plans;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// TRUNCATE of the tables of one source statement. CASCADE is not repeated: the tables it reached at the source are in the stream by
/// themselves, and what refers to them here only is not ours to empty. Where a foreign key of such a table forbids TRUNCATE, rows are deleted.
/// </summary>
sealed class Truncation(ApplyContext context)
{
    /// <param name="transaction">The source's, for tables whose rows are marked instead.</param>
    public async ValueTask RunAsync(IReadOnlyList<TablePlan> plans, TransactionSpan transaction, bool restartIdentity, CancellationToken cancellationToken)
    {
        context.Begin();
        var emptied = plans.Select(p => p.Target.Oid).ToHashSet();
        var together = new List<TablePlan>();
        foreach (var plan in plans)
        {
            if (plan.Options.SoftDeletes)
                Query(plan, MarkSql(plan, transaction));
            else if (plan.Target.ReferencedBy.Any(oid => !emptied.Contains(oid)))
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

    static string MarkSql(TablePlan plan, in TransactionSpan transaction)
    {
        var at = $"'{transaction.CommittedAt.ToString("yyyy-MM-dd HH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture)}'";
        var options = plan.Options;
        string[] set =
        [
            $"{SqlIdentifier.Quote(options.DeletedColumn!)} = {(options.MarksByFlag ? "true" : at)}",
            .. options.CommitTimeColumn is { } committed ? (string[])[$"{SqlIdentifier.Quote(committed)} = {at}"] : [],
            .. options.LsnColumn is { } lsn ? (string[])[$"{SqlIdentifier.Quote(lsn)} = '{transaction.CommitLsn}'"] : [],
            .. options.OperationColumn is { } operation ? (string[])[$"{SqlIdentifier.Quote(operation)} = 'truncate'"] : [],
        ];
        return $"UPDATE {plan.Target.OnlySql} SET {string.Join(", ", set)} WHERE {options.IsLiving(SqlIdentifier.Quote(options.DeletedColumn!))}";
    }

    void Query(TablePlan plan, string sql) => context.Line.Filling.Query(sql, new Step(0, plan, StepKind.Plain));

    static string Sql(IEnumerable<TablePlan> plans, bool restartIdentity) =>
        $"TRUNCATE {string.Join(", ", plans.Select(p => p.Target.OnlySql))}{(restartIdentity ? " RESTART IDENTITY" : "")}";
}
