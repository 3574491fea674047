using System.Globalization;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>
/// Our row in <c>rosetta.position</c>: position and epoch. Its conditional update is the last statement before a COMMIT. The row is found by its
/// remembered ctid, because with an old snapshot open at the destination an update by key has to walk all its versions; by key when that misses.
/// No row at all is an error of the statement (division by zero), so that the COMMIT sent right behind it is not executed.
/// </summary>
sealed class PositionRow
{
    /// <summary>What the statements fail with when a newer epoch is there.</summary>
    public const string FencedState = "22012";

    readonly string _epoch;
    readonly string _holdSql;
    readonly long _number;

    public PositionRow(DestinationOpening opening)
    {
        KeySql = string.Create(
            CultureInfo.InvariantCulture,
            $"installation = '{opening.Installation}' AND pipeline_id = {opening.PipelineId} AND generation = '{opening.Generation}'");
        KeyValuesSql = string.Create(CultureInfo.InvariantCulture, $"'{opening.Installation}', {opening.PipelineId}, '{opening.Generation}'");
        _number = opening.Epoch;
        _epoch = opening.Epoch.ToString(CultureInfo.InvariantCulture);
        var own = $"{KeySql} AND epoch = {_epoch}";
        Move = new PreparedSql(
            "rosetta_position",
            $"""
            WITH here AS (UPDATE rosetta.position SET position = $1, updated_at = now() WHERE ctid = $2 AND {own} RETURNING ctid),
                 elsewhere AS (UPDATE rosetta.position SET position = $1, updated_at = now() WHERE NOT EXISTS (SELECT FROM here) AND {own} RETURNING ctid),
                 moved AS (SELECT ctid FROM here UNION ALL SELECT ctid FROM elsewhere)
            SELECT (SELECT ctid FROM moved)::text, 1 / (SELECT count(*) FROM moved)
            """);
        _holdSql = $"SELECT FROM rosetta.position WHERE {own} FOR SHARE";
        RaiseOthersSql = string.Create(
            CultureInfo.InvariantCulture,
            $"UPDATE rosetta.position SET epoch = {_epoch} WHERE installation = '{opening.Installation}' AND pipeline_id = {opening.PipelineId} AND generation <> '{opening.Generation}' AND epoch < {_epoch}");
        TakeSql =
            $"""
            INSERT INTO rosetta.position AS p (installation, pipeline_id, generation, epoch, position) VALUES ({KeyValuesSql}, {_epoch}, '{opening.StartPosition}')
            ON CONFLICT (installation, pipeline_id, generation) DO UPDATE SET epoch = excluded.epoch, updated_at = now() WHERE p.epoch <= excluded.epoch
            RETURNING position, ctid
            """;
    }

    /// <summary>
    /// Raises the epoch of the pipeline's other rows here: earlier generations, which nobody continues, and other attachments, which this incarnation
    /// takes over as well. Whoever still works under them is shut out.
    /// </summary>
    public string RaiseOthersSql { get; }

    /// <summary>A condition on the columns that name us.</summary>
    public string KeySql { get; }

    /// <summary>Their values, for an INSERT.</summary>
    public string KeyValuesSql { get; }

    /// <summary>Moves the position: parameters are position and ctid; returns the new ctid.</summary>
    public PreparedSql Move { get; }

    /// <summary>Makes or takes over the row; no result row means that a newer epoch is there.</summary>
    public string TakeSql { get; }

    /// <summary>The row's last known place, as text.</summary>
    public string Ctid { get; set; } = "(0,0)";

    /// <summary>
    /// Commits a transaction that does not move the position (copies, table states). Its fence holds the row against a take-over until the COMMIT
    /// without making a new version of it.
    /// </summary>
    /// <param name="first">A statement that belongs to the transaction, in the same round trip as the fence.</param>
    /// <param name="last">A statement that would not let the row be held: it removes it.</param>
    /// <exception cref="FencedException">A newer epoch is there; everything is rolled back.</exception>
    public async ValueTask CommitAsync(PgConnection connection, CancellationToken cancellationToken, string? last = null, string? first = null)
    {
        var held = await connection.QueryAsync(first is null ? _holdSql : $"{first}; {_holdSql}", cancellationToken);
        if (held.RowCount == 0)
        {
            await connection.QueryAsync("ROLLBACK", cancellationToken);
            throw new FencedException(connection.Endpoint.ToString(), _number);
        }

        if (last is not null)
            await connection.QueryAsync(last, cancellationToken);
        await connection.QueryAsync("COMMIT", cancellationToken);
    }

    public void WriteMove(PgBindWriter bind, Lsn position)
    {
        bind.WriteInt64((long)position.Value);
        Span<byte> ctid = stackalloc byte[System.Text.Encoding.ASCII.GetMaxByteCount(Ctid.Length)];
        bind.WriteText(ctid[..System.Text.Encoding.ASCII.GetBytes(Ctid, ctid)]);
        bind.Complete();
    }
}
