using Rosetta.Api.Sources;
using Rosetta.Core.DeadLetters;
using Rosetta.Postgres.Letters;
using Rosetta.Store.DeadLetters;
using Rosetta.Store.Pipelines;

namespace Rosetta.Api.DeadLetters;

/// <summary>Reads the audit of a destination as it is shown. The store of dead letters is not asked, and may be away.</summary>
sealed class AuditReader(PipelineDefinition pipeline, long destinationId, DeadLetterAudit audit) : IAsyncDisposable
{
    readonly ReadableChanges _readable = new(pipeline.Source.ToEndpoint());

    /// <returns>Next: where to go on; null: there is no more.</returns>
    public async Task<(IReadOnlyList<AuditAnswer> Items, long? Next)> ReadAsync(AuditFilter filter, CancellationToken cancellationToken)
    {
        var records = new List<AuditRecord>();
        var (after, bytes) = (filter.After, 0L);
        while (true)
        {
            var asked = Math.Min(LetterReader.Portion, filter.Limit - records.Count);
            var page = await audit.ReadAsync(pipeline.Id, destinationId, filter.Table, after, asked, cancellationToken);
            foreach (var record in page)
            {
                records.Add(record);
                (after, bytes) = (record.Id, bytes + (record.Payload?.Length ?? 0) + (record.Edited?.Length ?? 0));
                if (records.Count == filter.Limit || bytes > LetterReader.PageBytes) return (await ShowAsync(records, cancellationToken), after);
            }

            if (page.Count < asked) return (await ShowAsync(records, cancellationToken), null);
        }
    }

    public ValueTask DisposeAsync() => _readable.DisposeAsync();

    async Task<IReadOnlyList<AuditAnswer>> ShowAsync(IReadOnlyList<AuditRecord> records, CancellationToken cancellationToken)
    {
        var decoded = records.Select(r => (Was: Decode(r.Payload), Edited: Decode(r.Edited))).ToList();
        var changes = decoded.SelectMany(d => (ParkedChange?[])[d.Was.Change, d.Edited.Change]).OfType<ParkedChange>().ToList();
        var readable = new Queue<ReadableChange>(await _readable.ReadAsync(changes, cancellationToken));
        return [.. records.Select((record, i) =>
        {
            var (was, edited) = decoded[i];
            var (shown, shownEdited) = (was.Change is null ? null : readable.Dequeue(), edited.Change is null ? null : readable.Dequeue());
            var asBytes = shown is { AsBytes.Count: > 0 } || shownEdited is { AsBytes.Count: > 0 };
            return AuditAnswer.Of(record, shown, shownEdited, Missing(record) ?? was.Problem ?? edited.Problem ?? (asBytes ? _readable.Problem : null));
        })];
    }

    static string? Missing(AuditRecord record) =>
        record.Payload is not null ? null
        : record.Kind is null ? "Its row was not in the store any more when it was discarded."
        : "Its row was taken out of the audit.";

    static (ParkedChange? Change, string? Problem) Decode(byte[]? payload) => payload is null ? (null, null) : LetterReader.Decode(payload);
}
