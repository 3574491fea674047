using System.Globalization;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>
/// A table of the destination belongs to one table of one attachment (a pipeline with a destination of its configuration), also when two installations
/// meet there. The claim is taken in the transaction of the table's copy, so a cut copy leaves none, and goes when the table is forgotten.
/// </summary>
sealed class TableClaims(DestinationOpening opening)
{
    const string LockNotAvailable = "55P03";

    readonly string _attachment = string.Create(
        CultureInfo.InvariantCulture,
        $"installation = '{opening.Installation}' AND pipeline_id = {opening.PipelineId} AND destination_id = {opening.DestinationId}");

    /// <summary>Runs inside the transaction that makes or fills the target, before anything is done to it.</summary>
    /// <exception cref="FaultException">Somebody else has the table.</exception>
    /// <param name="begin">Begins that transaction first, in the same round trip.</param>
    public async ValueTask TakeAsync(PgConnection connection, TableRoute route, CancellationToken cancellationToken, bool begin = false)
    {
        try
        {
            if (await TryTakeAsync(connection, route, begin, cancellationToken))
                return;
        }
        catch (PgServerException e) when (e.SqlState == LockNotAvailable)
        {
            throw Refused(route, "is being claimed by another copy at this moment", null, e);
        }

        var holder = await connection.QueryAsync(
            $"SELECT installation = '{opening.Installation}', pipeline_id, destination_id, source_schema, source_table FROM rosetta.claims WHERE {Of(route.Target)}", cancellationToken);
        if (holder.Rows.Count > 0)
        {
            var ours = holder.Text(0, 0) == "t";
            var (pipeline, destination) = (holder.Int64(0, 1), holder.Int64(0, 2));
            var source = new TableName(holder.RequiredText(0, 3), holder.RequiredText(0, 4));
            if (!ours || opening.Attachments is not { } attachments || await attachments.MayExistAsync(pipeline, destination, cancellationToken))
            {
                throw Refused(
                    route, string.Create(CultureInfo.InvariantCulture, $"belongs to table {source} of pipeline {pipeline}{(ours ? "" : " of another installation")}"),
                    pipeline == opening.PipelineId && ours ? $"Give {route.Source} or {source} another table_name_target." : null, null);
            }

            // It was deleted or detached while it did not run.
            await connection.QueryAsync(
                string.Create(CultureInfo.InvariantCulture, $"DELETE FROM rosetta.claims WHERE {Of(route.Target)} AND installation = '{opening.Installation}' AND pipeline_id = {pipeline} AND destination_id = {destination}"),
                cancellationToken);
        }

        if (!await TryTakeAsync(connection, route, false, cancellationToken))
            throw Refused(route, "was claimed by another pipeline just now", null, null);
    }

    /// <summary>Gives back what a table of ours has.</summary>
    public string ReleaseSql(TableName source) => $"DELETE FROM rosetta.claims WHERE {_attachment} AND {From(source)}";

    /// <summary>Gives back everything.</summary>
    public string ReleaseAllSql => $"DELETE FROM rosetta.claims WHERE {_attachment}";

    // An earlier generation of the same attachment is us: its tables are copied again.
    async ValueTask<bool> TryTakeAsync(PgConnection connection, TableRoute route, bool begin, CancellationToken cancellationToken)
    {
        var (source, target) = (route.Source, route.Target);
        var taken = await connection.QueryAsync(
            string.Create(
                CultureInfo.InvariantCulture,
                $"""
                {(begin ? "BEGIN; " : "")}SET LOCAL lock_timeout = '3s';
                WITH taken AS (INSERT INTO rosetta.claims AS c (target_schema, target_table, installation, pipeline_id, destination_id, generation, source_schema, source_table)
                VALUES ({Text(target.Schema)}, {Text(target.Name)}, '{opening.Installation}', {opening.PipelineId}, {opening.DestinationId}, '{opening.Generation}', {Text(source.Schema)}, {Text(source.Name)})
                ON CONFLICT (target_schema, target_table) DO UPDATE
                   SET generation = excluded.generation, source_schema = excluded.source_schema, source_table = excluded.source_table, claimed_at = now()
                 WHERE (c.installation, c.pipeline_id, c.destination_id) = (excluded.installation, excluded.pipeline_id, excluded.destination_id)
                   AND (c.generation <> excluded.generation OR (c.source_schema, c.source_table) = (excluded.source_schema, excluded.source_table))
                RETURNING true)
                SELECT set_config('lock_timeout', '2min', true), (SELECT count(*) FROM taken)
                """), cancellationToken);
        return taken.Int64(0, 1) > 0;
    }

    FaultException Refused(TableRoute route, string what, string? first, Exception? cause) => new(
        new Fault(
            ErrorClass.Table, $"Table {route.Target} of the destination {what}; {route.Source} cannot be written there too.",
            ResyncRemedy.For(
                opening.PipelineId, route.Source,
                (first ?? $"Give {route.Source} another table_name_target, or take the table out of the other pipeline.")
                + $" If nobody has it any more, at the destination: DELETE FROM rosetta.claims WHERE {Of(route.Target)};")),
        cause);

    static string Of(TableName target) => $"target_schema = {Text(target.Schema)} AND target_table = {Text(target.Name)}";

    static string From(TableName source) => $"source_schema = {Text(source.Schema)} AND source_table = {Text(source.Name)}";

    static string Text(string text) => SqlIdentifier.Literal(text);
}
