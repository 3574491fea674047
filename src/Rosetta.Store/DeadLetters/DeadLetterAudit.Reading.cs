using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Store.DeadLetters;

/// <content>For whoever wants to see it.</content>
public sealed partial class DeadLetterAudit
{
    /// <summary>Records about a destination of a pipeline, of whatever generation; the newest first.</summary>
    /// <param name="table">Only of this one; null: of all.</param>
    /// <param name="before">Only those with a lower <see cref="AuditRecord.Id"/>; null: from the newest on.</param>
    /// <param name="limit">Whose payloads are in memory together.</param>
    /// <exception cref="Configuration.ConfigDatabaseUnavailableException">It is away.</exception>
    public Task<IReadOnlyList<AuditRecord>> ReadAsync(long pipelineId, long destinationId, TableName? table, long? before, int limit, CancellationToken cancellationToken) =>
        database.ReadAsync(
            async connection =>
            {
                await using var command = new NpgsqlCommand(
                    """
                    SELECT id, run_id, action, table_name, commit_lsn, ordinal, kind, key, payload, edited_payload, error_class, error, sqlstate, reason, requested_by, recorded_at, done_at
                    FROM dead_letter_audit
                    WHERE pipeline_id = @pipeline AND destination_id = @destination AND id < @before AND (@table IS NULL OR table_name = @table) ORDER BY id DESC LIMIT @limit
                    """,
                    connection);
                command.Parameters.Add(new NpgsqlParameter<long>("pipeline", pipelineId));
                command.Parameters.Add(new NpgsqlParameter<long>("destination", destinationId));
                command.Parameters.Add(new NpgsqlParameter<long>("before", before ?? long.MaxValue));
                command.Parameters.Add(Text("table", table?.ToString()));
                command.Parameters.Add(new NpgsqlParameter<int>("limit", limit));
                var found = new List<AuditRecord>();
                await using var rows = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                while (await rows.ReadAsync(cancellationToken).ConfigureAwait(false)) found.Add(ReadRecord(rows));
                return (IReadOnlyList<AuditRecord>)found;
            },
            cancellationToken);

    static AuditRecord ReadRecord(NpgsqlDataReader row)
    {
        return new AuditRecord(
            row.GetInt64(0), row.GetInt64(1), row.GetString(2) == "EDIT", TableName.Parse(row.GetString(3)),
            new Position(new Lsn((ulong)row.GetFieldValue<NpgsqlLogSequenceNumber>(4)), row.GetInt64(5)), Text(6) is { } kind ? DeadLetterText.ReadKind(kind) : null,
            Text(7) is { } key ? JsonSerializer.Deserialize<string[]>(key) : null, Bytes(8), Bytes(9), Text(10) is { } errorClass ? DeadLetterText.ReadClass(errorClass) : null, Text(11), Text(12),
            Text(13), Text(14), new DateTimeOffset(row.GetDateTime(15)), row.IsDBNull(16) ? null : new DateTimeOffset(row.GetDateTime(16)));

        string? Text(int column) => row.IsDBNull(column) ? null : row.GetString(column);

        byte[]? Bytes(int column) => row.IsDBNull(column) ? null : row.GetFieldValue<byte[]>(column);
    }
}

/// <summary>What was done about a parked change, or is about to be.</summary>
/// <param name="Id">Grows with time.</param>
/// <param name="RunId">Of the order that it belongs to.</param>
/// <param name="IsEdit">Otherwise a discard.</param>
/// <param name="Kind">Null: its payload was lost before, so nothing but its place is known.</param>
/// <param name="Payload">As it was, see <see cref="ParkedChange"/>; null: it was lost before, or is not to be kept.</param>
/// <param name="Edited">What took its place.</param>
/// <param name="Error">What it had met.</param>
/// <param name="DoneAt">Null: it is about to be done.</param>
public sealed record AuditRecord(
    long Id, long RunId, bool IsEdit, TableName Table, Position At, ChangeKind? Kind, IReadOnlyList<string>? Key, byte[]? Payload, byte[]? Edited, ErrorClass? Class, string? Error,
    string? SqlState, string? Reason, string? RequestedBy, DateTimeOffset RecordedAt, DateTimeOffset? DoneAt);
