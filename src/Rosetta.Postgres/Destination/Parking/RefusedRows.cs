using Rosetta.Core.Chunks;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Parking;

/// <summary>
/// Rows that are read again by their keys, as an update without all of their values did not find them, and that the destination refuses: the others land, each of these is
/// parked in the landing's own transaction, as an insert at the place that the lane has come to. All that came before is in it; all that comes later waits behind it.
/// </summary>
/// <param name="park">Parks them.</param>
sealed class RefusedRows(RowParking park)
{
    readonly List<(string Row, DeadLetterFailure Failure)> _found = [];

    /// <summary>Writes the staged rows in the transaction that is open, and parks those that are refused.</summary>
    /// <param name="write">Writes those that meet a condition on <c>s</c>; null: all.</param>
    /// <param name="at">The position that the rows are of.</param>
    public async ValueTask<ChunkLanding> WriteAsync(PgConnection connection, Func<string?, Task<ChunkLanding>> write, Lsn at, CancellationToken cancellationToken)
    {
        _found.Clear();
        var (landing, error) = await TryAsync(connection, write, null, cancellationToken);
        if (error is null)
            return landing;
        var rows = await connection.QueryAsync("SELECT ctid::text FROM pg_temp.rosetta_chunk ORDER BY ctid", cancellationToken);
        landing = await DivideAsync(connection, write, [.. Enumerable.Range(0, rows.Rows.Count).Select(i => rows.RequiredText(i, 0))], error, cancellationToken);
        if (_found.Count > 0)
            await park.RecordAsync(connection, Only(_found.Select(f => f.Row)), [.. _found.Select(f => f.Failure)], rows.Rows.Count, at, cancellationToken);
        return landing;
    }

    public void Committed() => park.Committed();

    public void RolledBack() => park.RolledBack();

    /// <summary>Writes rows that are known not to go together.</summary>
    async ValueTask<ChunkLanding> DivideAsync(
        PgConnection connection, Func<string?, Task<ChunkLanding>> write, IReadOnlyList<string> rows, PgServerException error, CancellationToken cancellationToken)
    {
        // What fails without a row is no row's fault.
        if (rows.Count == 0)
            throw new PgServerException(error.Error, error);
        if (rows.Count == 1)
        {
            _found.Add((rows[0], new DeadLetterFailure(ErrorClass.Data, error.Error.Text, error.SqlState)));
            return new ChunkLanding(0, 0, 0, null);
        }

        var half = rows.Count / 2;
        var one = await WriteSomeAsync(connection, write, [.. rows.Take(half)], cancellationToken);
        var other = await WriteSomeAsync(connection, write, [.. rows.Skip(half)], cancellationToken);
        return one with { Inserted = one.Inserted + other.Inserted, Updated = one.Updated + other.Updated };
    }

    async ValueTask<ChunkLanding> WriteSomeAsync(PgConnection connection, Func<string?, Task<ChunkLanding>> write, IReadOnlyList<string> rows, CancellationToken cancellationToken)
    {
        var (landing, error) = await TryAsync(connection, write, Only(rows), cancellationToken);
        return error is null ? landing : await DivideAsync(connection, write, rows, error, cancellationToken);
    }

    /// <summary>Writes rows, or undoes what was written of them.</summary>
    static async ValueTask<(ChunkLanding Landing, PgServerException? Error)> TryAsync(
        PgConnection connection, Func<string?, Task<ChunkLanding>> write, string? only, CancellationToken cancellationToken)
    {
        await connection.QueryAsync("SAVEPOINT rosetta_rows", cancellationToken);
        try
        {
            var landing = await write(only);
            // At the COMMIT it would be too late to tell which row it is.
            await connection.QueryAsync("SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT rosetta_rows", cancellationToken);
            return (landing, null);
        }
        catch (PgServerException e) when (!e.IsFatal && ErrorPolicy.Classify(e.SqlState) == ErrorClass.Data)
        {
            await connection.QueryAsync("ROLLBACK TO SAVEPOINT rosetta_rows; RELEASE SAVEPOINT rosetta_rows", cancellationToken);
            return (new ChunkLanding(0, 0, 0, null), e);
        }
    }

    static string Only(IEnumerable<string> rows) => $"s.ctid = ANY ('{{{string.Join(',', rows.Select(r => $"\"{r}\""))}}}'::tid[])";
}
