using System.Text;
using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Postgres.Snapshot;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Letters;

/// <summary>
/// Makes text of parked changes. Their values are in the binary form of their types, which the source alone knows all of; it is asked for those that need it, over
/// one connection, and not for long.
/// </summary>
/// <param name="source">Where the changes come from.</param>
public sealed class ReadableChanges(PgEndpoint source) : IAsyncDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    readonly Dictionary<string, string> _statements = [];
    PgConnection? _connection;

    /// <summary>Why values could not be made text; null: they were, or there were none of that kind.</summary>
    public string? Problem { get; private set; }

    /// <summary>One for each, in the same order.</summary>
    public async Task<IReadOnlyList<ReadableChange>> ReadAsync(IReadOnlyList<ParkedChange> changes, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(changes);
        var drafts = changes.Select(c => (Old: TupleDraft.Of(c, isOld: true), New: TupleDraft.Of(c, isOld: false))).ToList();
        var open = drafts.SelectMany(d => (TupleDraft?[])[d.Old, d.New]).OfType<TupleDraft>().Where(t => t.Open.Count > 0).ToList();
        if (open.Count > 0)
            await AskAsync(open, cancellationToken);
        return [.. drafts.Select(d => new ReadableChange(
            d.Old?.Values, d.New?.Values, d.New?.Unchanged ?? [], [.. (d.Old?.AsBytes ?? []).Concat(d.New?.AsBytes ?? []).Distinct()]))];
    }

    async Task AskAsync(IReadOnlyList<TupleDraft> tuples, CancellationToken cancellationToken)
    {
        if (Problem is not null && _connection is null)
            return;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(Patience);
        try
        {
            var connection = _connection ??= await SnapshotSession.OpenAsync(source, limit.Token);
            using var pipeline = connection.CreatePipeline();
            var operations = new List<(TupleDraft Tuple, int Operation)>();
            foreach (var tuple in tuples)
            {
                var types = string.Join(',', tuple.Open.Select(o => o.TypeOid));
                if (!_statements.TryGetValue(types, out var name))
                {
                    _statements[types] = name = $"values_{_statements.Count}";
                    pipeline.Prepare(name, $"SELECT {string.Join(", ", tuple.Open.Select((_, i) => $"${i + 1}"))}", [.. tuple.Open.Select(o => o.TypeOid)]);
                }

                operations.Add((tuple, pipeline.Execute(name, [.. tuple.Open.Select(o => PgParameter.Binary(o.Value))], binaryResults: false)));
                // One that fails does not take the others with it.
                pipeline.Sync();
            }

            var results = await pipeline.RunAsync(limit.Token);
            foreach (var (tuple, operation) in operations)
            {
                if (results[operation] is { Error: { } error })
                    Problem ??= $"Source {source} does not read some values: {error.Error.Text}";
                else
                    tuple.Fill([.. Enumerable.Range(0, tuple.Open.Count).Select(i => results[operation].Text(0, i))]);
            }
        }
        catch (Exception e) when (e is PgException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            Problem = e is OperationCanceledException ? $"Source {source} did not answer within {Patience.TotalSeconds:0} seconds." : $"Source {source} could not be asked: {WordsOf(e)}";
            if (_connection is { } broken)
                await broken.DisposeAsync();
            _connection = null;
        }
    }

    internal static string WordsOf(Exception error) => error is ISqlStateError server ? server.Words : error.Message;

    public async ValueTask DisposeAsync()
    {
        if (_connection is { } connection)
            await connection.DisposeAsync();
    }

    /// <summary>A tuple on its way to text.</summary>
    sealed class TupleDraft
    {
        public Dictionary<string, string?> Values { get; } = [];

        public List<string> Unchanged { get; } = [];

        public List<string> AsBytes { get; private set; } = [];

        /// <summary>Values that a server has to make text of.</summary>
        public List<(string Column, uint TypeOid, ReadOnlyMemory<byte> Value)> Open { get; } = [];

        /// <summary>Null: the change has none.</summary>
        public static TupleDraft? Of(ParkedChange change, bool isOld)
        {
            var bytes = isOld ? change.Old : change.New;
            if (bytes.IsEmpty)
                return null;
            var draft = new TupleDraft();
            var reader = new TupleReader(bytes.Span, 0);
            while (reader.Read())
            {
                var column = change.Relation.Columns[reader.Column];
                // An old tuple that is the key alone has nulls for all else, which say nothing.
                if (isOld && change.Flags.HasFlag(ChangeFlags.OldIsKey) && !column.IsKey)
                    continue;
                draft.Add(column, reader, bytes);
            }

            return draft;
        }

        void Add(RelationColumn column, in TupleReader reader, ReadOnlyMemory<byte> bytes)
        {
            switch (reader.Kind)
            {
                case ValueKind.Null:
                    Values[column.Name] = null;
                    break;
                case ValueKind.Unchanged:
                    Unchanged.Add(column.Name);
                    break;
                case ValueKind.Text:
                    Values[column.Name] = Encoding.UTF8.GetString(reader.Value);
                    break;
                default:
                    Values[column.Name] = PlainValue.Read(column.TypeOid, reader.Value);
                    if (Values[column.Name] is null)
                    {
                        Values[column.Name] = PlainValue.Hex(reader.Value);
                        AsBytes.Add(column.Name);
                        Open.Add((column.Name, column.TypeOid, bytes.Slice(reader.ValueOffset, reader.Value.Length)));
                    }

                    break;
            }
        }

        public void Fill(IReadOnlyList<string?> texts)
        {
            for (var i = 0; i < texts.Count; i++)
                Values[Open[i].Column] = texts[i];
            AsBytes = [];
        }
    }
}
