using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Store.Configuration;
using Rosetta.Store.Jobs;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.DeadLetters;

/// <summary>
/// Which parked changes were edited or discarded, by whom and why, with what they were. A record is written before anything is done and completed after it: whoever finds
/// an open one asks the destination whether it was. Writes carry the epoch.
/// </summary>
public sealed partial class DeadLetterAudit(ConfigDatabase database)
{
    /// <summary>Records that changes are about to be discarded.</summary>
    /// <param name="at">All of one table.</param>
    /// <param name="letters">Those of them whose payload is there.</param>
    /// <exception cref="FencedException">The epoch is no longer the newest.</exception>
    public Task BeginDiscardAsync(
        DeadLetterQueue queue, long epoch, RecoveryOrder order, TableName table, IReadOnlyList<Position> at, IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        var known = letters.ToDictionary(l => l.At);
        return BeginAsync(queue, epoch, order, "DISCARD", table, [.. at.Select(a => (a, known.GetValueOrDefault(a), (byte[]?)null))], cancellationToken);
    }

    /// <summary>Records that a change is about to get another payload.</summary>
    /// <param name="letter">As it was.</param>
    /// <exception cref="FencedException">The epoch is no longer the newest.</exception>
    public Task BeginEditAsync(DeadLetterQueue queue, long epoch, RecoveryOrder order, DeadLetter letter, ReadOnlyMemory<byte> edited, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(letter);
        return BeginAsync(queue, epoch, order, "EDIT", letter.Table, [(letter.At, letter, edited.ToArray())], cancellationToken);
    }

    /// <summary>Completes records, and takes back those of which nothing was done.</summary>
    /// <param name="notDone">Of the same action.</param>
    /// <exception cref="FencedException">The epoch is no longer the newest.</exception>
    public Task EndAsync(DeadLetterQueue queue, long epoch, long runId, TableName table, IReadOnlyList<Position> done, IReadOnlyList<Position> notDone, CancellationToken cancellationToken) =>
        WriteAsync(
            queue, epoch,
            """
            , done AS (
                UPDATE dead_letter_audit a SET done_at = clock_timestamp() FROM fence, unnest(@commits::pg_lsn[], @ordinals) AS u (commit_lsn, ordinal)
                WHERE a.run_id = @run AND a.table_name = @table AND a.commit_lsn = u.commit_lsn AND a.ordinal = u.ordinal AND a.done_at IS NULL),
            undone AS (
                DELETE FROM dead_letter_audit a USING fence, unnest(@otherCommits::pg_lsn[], @otherOrdinals) AS u (commit_lsn, ordinal)
                WHERE a.run_id = @run AND a.table_name = @table AND a.commit_lsn = u.commit_lsn AND a.ordinal = u.ordinal AND a.done_at IS NULL)
            """,
            [
                new NpgsqlParameter<long>("run", runId), new NpgsqlParameter<string>("table", table.ToString()),
                .. ConfigDeadLetterStore.Places(done), .. ConfigDeadLetterStore.Places(notDone, "otherCommits", "otherOrdinals"),
            ],
            cancellationToken);

    /// <summary>Records of a queue that were not completed.</summary>
    public Task<IReadOnlyList<OpenAudit>> OpenAsync(DeadLetterQueue queue, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return database.ReadAsync(
            async connection =>
            {
                await using var command = new NpgsqlCommand(
                    "SELECT run_id, action, table_name, commit_lsn, ordinal, edited_payload FROM dead_letter_audit WHERE pipeline_id = $1 AND destination_id = $2 AND generation = $3 AND done_at IS NULL ORDER BY id",
                    connection)
                {
                    Parameters = { new() { Value = queue.PipelineId }, new() { Value = queue.DestinationId }, new() { Value = queue.Generation } },
                };
                var found = new List<OpenAudit>();
                await using var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    found.Add(new OpenAudit(
                        rows.GetInt64(0), rows.GetString(1) == "EDIT", TableName.Parse(rows.GetString(2)),
                        new Position(new Lsn((ulong)rows.GetFieldValue<NpgsqlLogSequenceNumber>(3)), rows.GetInt64(4)),
                        rows.IsDBNull(5) ? null : await rows.GetFieldValueAsync<byte[]>(5, cancellationToken).ConfigureAwait(false)));
                }

                return (IReadOnlyList<OpenAudit>)found;
            },
            cancellationToken);
    }

    /// <summary>Completed records of a run.</summary>
    public Task<long> CountAsync(long runId, CancellationToken cancellationToken) => database.ReadAsync(
        async connection =>
        {
            await using var command = new NpgsqlCommand("SELECT count(*) FROM dead_letter_audit WHERE run_id = $1 AND done_at IS NOT NULL", connection)
            {
                Parameters = { new() { Value = runId } },
            };
            return (long)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
        },
        cancellationToken);

    Task BeginAsync(
        DeadLetterQueue queue, long epoch, RecoveryOrder order, string action, TableName table, IReadOnlyList<(Position At, DeadLetter? Letter, byte[]? Edited)> records,
        CancellationToken cancellationToken) =>
        WriteAsync(
            queue, epoch,
            """
            , saved AS (
                INSERT INTO dead_letter_audit (run_id, pipeline_id, destination_id, generation, action, table_name, commit_lsn, ordinal, kind, key, payload, edited_payload,
                    error_class, error, sqlstate, reason, requested_by)
                SELECT @run, @PipelineId, @DestinationId, @Generation, @action, @table, u.commit_lsn, u.ordinal, u.kind, u.key::jsonb, u.payload, u.edited, u.error_class, u.error, u.sqlstate,
                    @reason, @by
                FROM fence, unnest(@commits::pg_lsn[], @ordinals, @kinds, @keys, @payloads, @edited, @classes, @errors, @states)
                    AS u (commit_lsn, ordinal, kind, key, payload, edited, error_class, error, sqlstate)
                ON CONFLICT DO NOTHING)
            """,
            [
                new NpgsqlParameter<long>("run", order.Id), new NpgsqlParameter<string>("action", action), new NpgsqlParameter<string>("table", table.ToString()),
                Text("reason", order.Request.Reason), Text("by", order.RequestedBy),
                .. ConfigDeadLetterStore.Places([.. records.Select(r => r.At)]),
                ConfigDeadLetterStore.Array("kinds", NpgsqlDbType.Text, records, r => r.Letter is { } l ? DeadLetterText.Of(l.Kind) : null),
                ConfigDeadLetterStore.Array("keys", NpgsqlDbType.Text, records, r => r.Letter is { } l ? JsonSerializer.Serialize(l.Key) : null),
                ConfigDeadLetterStore.Array("payloads", NpgsqlDbType.Bytea, records, r => r.Letter?.Payload.ToArray()),
                ConfigDeadLetterStore.Array("edited", NpgsqlDbType.Bytea, records, r => r.Edited),
                .. ConfigDeadLetterStore.Failures([.. records.Select(r => r.Letter?.Failure)]),
            ],
            cancellationToken);

    async Task WriteAsync(DeadLetterQueue queue, long epoch, string step, IReadOnlyList<NpgsqlParameter> parameters, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(queue);
        var isNewest = await database.WriteAsync(
            async connection =>
            {
                await using var command = ConfigDeadLetterStore.Command(connection, $"WITH {EpochRepository.Fence}{step}\n{ConfigDeadLetterStore.Ending}", queue, parameters);
                command.Parameters.Add(new NpgsqlParameter<long>("Epoch", epoch));
                return (bool)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
            },
            cancellationToken).ConfigureAwait(false);
        if (!isNewest) throw new FencedException("the config database", epoch);
    }

    static NpgsqlParameter Text(string name, string? value) => new(name, NpgsqlDbType.Text) { Value = (object?)value ?? DBNull.Value };
}

/// <summary>A record that was not completed.</summary>
/// <param name="IsEdit">Otherwise a discard.</param>
/// <param name="Edited">The payload that an edit was to put in place.</param>
public sealed record OpenAudit(long RunId, bool IsEdit, TableName Table, Position At, byte[]? Edited);
