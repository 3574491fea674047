using System.Buffers;
using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Lanes;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Options;

/// <summary>
/// The options of one destination's tables, for its stream and its copies: behind what makes the rows (transforms), before the destination, which sees only
/// what comes of them, and what its route says of truncates and copies.
/// </summary>
/// <param name="first">What becomes of the changes before.</param>
/// <param name="source">The source's catalog as it is before the options.</param>
public sealed class LaneOptions(IGroupRewriter first, ISourceSchema source) : IGroupRewriter
{
    readonly Dictionary<Relation, RelationOptions> _rewriters = new(ReferenceEqualityComparer.Instance);
    Dictionary<TableName, TableOptions> _options = [];

    /// <summary>What the destination is to believe of the source's tables.</summary>
    public ISourceSchema Schema => new OptionedSchema(this, source);

    /// <summary>The routes from now on; what the destination is to be told of them. Between groups only.</summary>
    public IReadOnlyDictionary<TableName, TableRoute> Follow(IReadOnlyDictionary<TableName, TableRoute> routes)
    {
        var before = _options;
        _options = routes.Where(r => r.Value.Options.OfRows != TableOptions.None).ToDictionary(r => r.Key, r => r.Value.Options.OfRows);
        foreach (var relation in _rewriters.Keys.ToList())
        {
            var name = new TableName(relation.Schema, relation.Name);
            if (_options.GetValueOrDefault(name) != before.GetValueOrDefault(name))
                _rewriters.Remove(relation);
        }

        return _options.Count == 0 ? routes : routes.ToDictionary(r => r.Key, r => WithColumns(r.Value));
    }

    /// <summary>The route with the added columns among the wanted ones.</summary>
    public static TableRoute WithColumns(TableRoute route) =>
        route.Columns is { } columns && route.Options.OfRows != TableOptions.None ? route with { Columns = [.. columns, .. route.Options.ColumnNames] } : route;

    /// <summary>A table as the destination is to have it.</summary>
    /// <exception cref="FaultException">It cannot have the added columns.</exception>
    public static TableDescription Describe(TableRoute route, TableDescription table) =>
        route.Options.Misfit(table, route.Columns) is var (reason, remedy)
            ? throw new FaultException(new Fault(ErrorClass.Table, reason, remedy))
            : route.Options.Describe(table);

    /// <inheritdoc cref="Describe(TableRoute, TableDescription)"/>
    public static ChunkTable Describe(TableRoute route, ChunkTable table) => table with { Table = Describe(route, table.Table) };

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<ChangeBatch>> RewriteAsync(
        IReadOnlyList<ChangeBatch> batches, IDestinationSession session, CancellationToken cancellationToken)
    {
        var made = await first.RewriteAsync(batches, session, cancellationToken).ConfigureAwait(false);
        if (_options.Count == 0)
            return made;
        var rewritten = new List<ChangeBatch>(made.Count);
        try
        {
            foreach (var batch in made)
                rewritten.Add(await RewriteAsync(batch, cancellationToken).ConfigureAwait(false));
            return rewritten;
        }
        catch
        {
            foreach (var batch in rewritten)
                batch.Release();
            throw;
        }
        finally
        {
            foreach (var batch in made)
                batch.Release();
        }
    }

    async ValueTask<ChangeBatch> RewriteAsync(ChangeBatch batch, CancellationToken cancellationToken)
    {
        RelationOptions?[]? rewriters = null;
        for (var i = 0; i < batch.Relations.Count; i++)
        {
            if (await FindAsync(batch.Relations[i], cancellationToken).ConfigureAwait(false) is { } rewriter)
                (rewriters ??= new RelationOptions?[batch.Relations.Count])[i] = rewriter;
        }

        return rewriters is null ? batch.Retain() : Write(batch, rewriters);
    }

    async ValueTask<RelationOptions?> FindAsync(Relation relation, CancellationToken cancellationToken)
    {
        if (_rewriters.TryGetValue(relation, out var known))
            return known;
        var name = new TableName(relation.Schema, relation.Name);
        if (!_options.TryGetValue(name, out var options))
            return null;
        // A reconnection brings an equal relation in another object.
        if (_rewriters.Values.FirstOrDefault(r => r.Relation.Id == relation.Id && r.Relation.Schema == relation.Schema && r.Relation.Name == relation.Name && r.Relation.HasShapeOf(relation)) is { } equal)
            return _rewriters[relation] = equal;
        // Only under FULL the stream does not tell the key.
        var table = relation.Identity == ReplicaIdentity.Full ? await source.DescribeAsync(name, cancellationToken).ConfigureAwait(false) : null;
        return _rewriters[relation] = new RelationOptions(options, relation, table);
    }

    static ChangeBatch Write(ChangeBatch batch, RelationOptions?[] rewriters)
    {
        var output = new PooledBytes(batch.Bytes.Length * 2 + 1024);
        // Changes of other tables keep their offsets.
        output.Write(batch.Bytes);
        var changes = new PooledChanges(batch.Changes.Length);
        var transactions = ArrayPool<TransactionSpan>.Shared.Rent(Math.Max(1, batch.Transactions.Length));
        for (var t = 0; t < batch.Transactions.Length; t++)
        {
            ref readonly var span = ref batch.Transactions[t];
            var begin = changes.Count;
            for (var i = span.First; i < span.First + span.Count; i++)
            {
                ref readonly var change = ref batch.Changes[i];
                if (change.Kind == ChangeKind.Filtered || rewriters[change.Relation] is not { } rewriter)
                    changes.Add(change);
                else
                    rewriter.Write(batch.Bytes, change, span, ref output, ref changes);
            }

            transactions[t] = span with { First = begin, Count = changes.Count - begin };
        }

        var relations = batch.Relations.Select((r, i) => rewriters[i]?.Output ?? r).ToList();
        return batch.Rewritten(output.Array, output.Length, changes.Array, changes.Count, transactions, relations);
    }

    sealed class OptionedSchema(LaneOptions options, ISourceSchema source) : ISourceSchema
    {
        public async Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken) =>
            await source.DescribeAsync(table, cancellationToken).ConfigureAwait(false) is { } found
                ? (options._options.GetValueOrDefault(table) ?? TableOptions.None).Describe(found)
                : null;
    }
}
