using System.Text;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Destinations;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Targets;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>Tells the operator why a table stops: which change, which key, what the server said, what to do.</summary>
static class StopReport
{
    /// <param name="fallback">Place of the stop when the guilty change is not known.</param>
    public static async ValueTask<TableStop> MakeAsync(
        PgConnection connection, ApplyContext context, ApplyFailure failure, Position fallback, CancellationToken cancellationToken)
    {
        var error = failure.InnerException as PgServerException;
        var key = failure.Row.Length > 0 ? await KeyTextAsync(connection, context, failure.Plan, failure.Row, cancellationToken) : null;
        var reason = error?.Error.ConstraintName is { } constraint && !failure.Reason.Contains(constraint, StringComparison.Ordinal)
            ? $"{failure.Reason} (constraint {constraint})"
            : failure.Reason;
        return new TableStop(failure.At ?? fallback, key, error?.SqlState, reason, failure.Remedy ?? await RemedyAsync(connection, context, failure.Plan, error, cancellationToken));
    }

    static async ValueTask<string> RemedyAsync(
        PgConnection connection, ApplyContext context, TablePlan plan, PgServerException? error, CancellationToken cancellationToken)
    {
        var target = plan.Target.Name.ToSql();
        var first = error is null
            ? null
            : error.SqlState switch
            {
                "42501" when !connection.IsBroken => await MissingRights.SqlAsync(connection, plan.Target.Name, cancellationToken),
                "22P02" when plan.WatchesText => $"A label of an enum is missing at the destination: let {SqlIdentifier.Quote(connection.Endpoint.User)} own that type there (ALTER TYPE ... OWNER TO ...), or add the label.",
                "42P01" => $"The table {target} is missing at the destination; the copy makes it.",
                "23503" => $"The row a foreign key of {target} refers to is missing: replicate that table too, or drop the constraint.",
                "23505" or "23P01" => $"Another row of {target} has the same unique value: remove it, or drop the constraint.",
                "23502" when error.Error.ColumnName is { } column => $"ALTER TABLE {target} ALTER COLUMN {SqlIdentifier.Quote(column)} DROP NOT NULL;",
                "22001" or "22003" => $"A column of {target} is too small for a value: give it the type that it has at the source.",
                "23502" or "23514" => $"A constraint of {target} forbids what the source allows: drop or change it.",
                _ when ErrorPolicy.Classify(error.SqlState) == ErrorClass.Data => $"Mend what refuses the row at {target}.",
                _ => null,
            };
        return ResyncRemedy.For(context.Opening.PipelineId, plan.Source, first);
    }

    /// <summary>The key's values in text form; the server turns them, as it alone knows every type.</summary>
    static async ValueTask<string?> KeyTextAsync(PgConnection connection, ApplyContext context, TablePlan plan, RowRef row, CancellationToken cancellationToken)
    {
        if (plan.Key.Length == 0 || connection.IsBroken)
            return null;
        var columns = plan.Columns.Where(c => c.IsKey).ToList();
        var parameters = new List<PgParameter>();
        if (!TryReadKey(context, plan, row, parameters))
            return null;
        using var pipeline = connection.CreatePipeline();
        pipeline.Prepare("", $"SELECT {string.Join(", ", columns.Select((c, i) => $"({c.TypedParameter(i + 1)})::text"))}");
        var operation = pipeline.Execute("", parameters.ToArray());
        var results = await pipeline.RunAsync(cancellationToken);
        if (results.FirstFailed >= 0)
            return null;
        var text = new StringBuilder();
        for (var i = 0; i < columns.Count; i++)
            text.Append(i > 0 ? ", " : "").Append(columns[i].Target.Name).Append('=').Append(results[operation].Text(0, i));
        return text.ToString();
    }

    static bool TryReadKey(ApplyContext context, TablePlan plan, RowRef row, List<PgParameter> parameters)
    {
        var bytes = new byte[row.Length + (8 * plan.Key.Length)];
        var length = Tuples.WriteKey(context.Rows.BytesOf(row), row.Offset, -1, plan.Key, bytes);
        for (var at = 0; at < length;)
        {
            var size = System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at + 1));
            var value = bytes.AsMemory(at + 5, size);
            parameters.Add(bytes[at] == (byte)Core.Changes.ValueKind.Text ? PgParameter.Text(value) : PgParameter.Binary(value));
            at += 5 + size;
        }

        return length > 0;
    }
}
