using Rosetta.Core.Changes;
using Rosetta.Core.Chunks;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Lanes;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Transforms.Compilation;
using Rosetta.Transforms.Copies;
using Rosetta.Transforms.Engine;

namespace Rosetta.Transforms.Rewriting;

/// <summary>
/// The transforms of one destination's tables, for its stream and its copies alike. The destination sees only what comes of them: rows, columns, and a
/// source catalog to match.
/// </summary>
/// <param name="source">The source's catalog.</param>
/// <param name="resync">How the operator has a table copied again, for the remedies.</param>
/// <param name="stopped">Told when a table stopped because of its transform; it is already stored at the destination.</param>
public sealed class LaneTransforms(ISourceSchema source, Func<TableName, string> resync, Action<TableName, TableStop> stopped) : IGroupRewriter, IDisposable
{
    readonly Lock _gate = new();
    readonly Dictionary<Relation, RelationRewriter> _rewriters = new(ReferenceEqualityComparer.Instance);
    Dictionary<TableName, TableRoute> _routes = [];
    DuckEngine? _engine;

    /// <summary>What the destination is to believe of the source's tables.</summary>
    public ISourceSchema Schema => new TransformedSchema(source, Describe);

    /// <summary>The routes from now on; what the destination is to be told of them. Between groups only.</summary>
    public IReadOnlyDictionary<TableName, TableRoute> Follow(IReadOnlyDictionary<TableName, TableRoute> routes)
    {
        var before = _routes;
        _routes = routes.Where(r => r.Value.Transform is not null).ToDictionary(r => r.Key, r => r.Value);
        foreach (var (relation, rewriter) in _rewriters.ToList())
        {
            if (_routes.TryGetValue(rewriter.Transform.Table, out var now) && before.TryGetValue(rewriter.Transform.Table, out var was)
                && now.Transform == was.Transform && (now.Columns ?? []).SequenceEqual(was.Columns ?? []))
                continue;
            _rewriters.Remove(relation);
            if (!_rewriters.ContainsValue(rewriter))
                rewriter.Dispose();
        }

        return routes.ToDictionary(r => r.Key, r => Plain(r.Value));
    }

    /// <summary>The route as a destination is told: the choice of columns is made before it comes there.</summary>
    public static TableRoute Plain(TableRoute route) => route.Transform is null ? route : route with { Columns = null, Transform = null };

    /// <summary>A copy's table and rows as the destination is to have them.</summary>
    /// <param name="table">The source's table, in the copy's snapshot.</param>
    /// <param name="read">Reads the named columns (null: all that there are) of the rows for which a condition in PostgreSQL's SQL holds (null: all).</param>
    /// <exception cref="FaultException">The transform does not fit the table (any more).</exception>
    public (TableDescription Table, ICopySource Source, CopyFormat Format) Copy(
        TableRoute route, TableDescription table, Func<IReadOnlyList<string>?, string?, (ICopySource Source, CopyFormat Format)> read)
    {
        if (route.Transform is null)
        {
            var (plain, plainFormat) = read(route.Columns, null);
            return (table, plain, plainFormat);
        }

        // A publication may leave columns out.
        var there = read(null, null).Source.ColumnNames;
        var transform = Compile(route, table with { Columns = [.. table.Columns.Where(c => c.Generated is not null || there.Contains(c.Name))] });
        var (source, format) = read([.. transform.Needed.Select(i => transform.Columns[i].Name)], transform.Pushdown);
        if (format != CopyFormat.Binary)
            throw NoBinaryForm(table.Name);

        return (TransformedTable.Describe(table, transform), new TransformedCopySource(source, transform, Engine), CopyFormat.Binary);
    }

    /// <summary>The same of a table that is read in chunks.</summary>
    /// <param name="all">The table with all columns that there are.</param>
    /// <exception cref="FaultException">The transform does not fit the table (any more).</exception>
    public TransformedChunks InChunks(TableRoute route, ChunkTable all)
    {
        var table = all.Table;
        var transform = Compile(route, table with { Columns = [.. table.Columns.Where(c => c.Generated is not null || all.Columns.Contains(c.Name))] });
        var needed = transform.Needed.Select(i => transform.Columns[i].Name).ToList();
        if (!table.Columns.Where(c => needed.Contains(c.Name)).All(c => c.HasBinaryForm))
            throw NoBinaryForm(table.Name);
        var made = TransformedTable.Describe(table, transform);
        return new TransformedChunks(
            new ChunkTable(made, [.. transform.Output.Select(c => c.Name)], CopyFormat.Binary, null),
            all with { Columns = needed, Format = CopyFormat.Binary, Condition = transform.Pushdown },
            transform.HasFilter, rows => new TransformedCopySource(rows, transform, Engine));
    }

    static FaultException NoBinaryForm(TableName table) => new(new Fault(
        ErrorClass.Table, $"Table {table} has a column whose type has no binary form, which a table with a transform cannot have.", "Leave that column out by columns or custom_sql."));

    /// <summary>The table as the destination is to have it, where nothing is copied.</summary>
    /// <exception cref="FaultException">The transform does not fit the table.</exception>
    public TableDescription Describe(TableRoute route, TableDescription table) =>
        route.Transform is null ? table : TransformedTable.Describe(table, Compile(route, table));

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<ChangeBatch>> RewriteAsync(
        IReadOnlyList<ChangeBatch> batches, IDestinationSession session, CancellationToken cancellationToken)
    {
        var rewritten = new List<ChangeBatch>(batches.Count);
        try
        {
            foreach (var batch in batches)
                rewritten.Add(await RewriteAsync(batch, batches[0].ContinuesAtStart, session, cancellationToken).ConfigureAwait(false));
            return rewritten;
        }
        catch
        {
            foreach (var batch in rewritten)
                batch.Release();
            throw;
        }
    }

    DuckEngine Engine
    {
        get
        {
            lock (_gate)
                return _engine ??= new DuckEngine();
        }
    }

    async ValueTask<ChangeBatch> RewriteAsync(ChangeBatch batch, bool isOpen, IDestinationSession session, CancellationToken cancellationToken)
    {
        // Tables of which nothing goes on. Never their rows as they are: what a transform is to mask or leave out must not arrive.
        var dropped = new HashSet<TableName>();
        while (true)
        {
            TableName? failed = null;
            try
            {
                var rewriters = new RelationRewriter?[batch.Relations.Count];
                var drops = new bool[rewriters.Length];
                var any = false;
                for (var i = 0; i < rewriters.Length; i++)
                {
                    var name = new TableName(batch.Relations[i].Schema, batch.Relations[i].Name);
                    if (!_routes.TryGetValue(name, out var route))
                        continue;
                    any = true;
                    failed = name;
                    drops[i] = dropped.Contains(name) || (session.Tables.TryGetValue(name, out var stored) && stored.Stop is not null);
                    rewriters[i] = drops[i] ? null : await FindAsync(batch, i, route, cancellationToken).ConfigureAwait(false);
                }

                failed = null;
                return any ? BatchRewriter.Rewrite(batch, rewriters, drops, (relation, lsn) => Skips(batch.Relations[relation], lsn, session), out failed) : batch.Retain();
            }
            catch (TransformStopException e) when (failed is { } table)
            {
                dropped.Add(table);
                // A table that is not copied yet finds out when it is.
                if (session.Tables.TryGetValue(table, out var stored) && stored.Streams)
                    await StopAsync(table, e, isOpen, session, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    async ValueTask<RelationRewriter> FindAsync(ChangeBatch batch, int index, TableRoute route, CancellationToken cancellationToken)
    {
        var relation = batch.Relations[index];
        var name = route.Source;
        if (_rewriters.TryGetValue(relation, out var known))
            return known;
        // A reconnection brings an equal relation in another object.
        if (_rewriters.Values.FirstOrDefault(r => r.Transform.Table == name && r.Relation.Id == relation.Id && r.Relation.HasShapeOf(relation)) is { } equal)
            return _rewriters[relation] = equal;
        if (await source.DescribeAsync(name, cancellationToken).ConfigureAwait(false) is not { } table)
            throw new TransformStopException($"Table {name} is not there at the source any more, so its transform cannot be bound.", "Create it or take it out of the pipeline's tables.", FirstOf(batch, index), null);
        var compiled = TransformCompiler.Compile(TransformRequest.Of(relation, table, route.Columns, route.Transform), Engine);
        if (compiled.Transform is not { } transform)
        {
            throw new TransformStopException(
                $"The transform of {name} does not fit the table as it is now: {compiled.Describe()}.", "Correct its table_syncs entry.", FirstOf(batch, index), null);
        }

        foreach (var old in _rewriters.Where(r => r.Value.Transform.Table == name && !batch.Relations.Contains(r.Key)).ToList())
        {
            _rewriters.Remove(old.Key);
            if (!_rewriters.ContainsValue(old.Value))
                old.Value.Dispose();
        }

        return _rewriters[relation] = new RelationRewriter(transform, relation, Engine);
    }

    static Position FirstOf(ChangeBatch batch, int relation)
    {
        foreach (ref readonly var span in batch.Transactions)
        {
            for (var i = 0; i < span.Count; i++)
            {
                if (batch.Changes[span.First + i].Relation == relation)
                    return new Position(span.CommitLsn, span.FirstOrdinal + i);
            }
        }

        return default;
    }

    /// <summary>Not applied anyway: in the table's copy, or in the destination already.</summary>
    static bool Skips(Relation relation, Lsn commitLsn, IDestinationSession session) =>
        commitLsn < session.Position || (session.Tables.TryGetValue(new TableName(relation.Schema, relation.Name), out var table) && commitLsn < table.Since);

    async ValueTask StopAsync(TableName table, TransformStopException failure, bool isOpen, IDestinationSession session, CancellationToken cancellationToken)
    {
        // What came of the table in the open transaction may not be committed: a stopped table stands at a boundary between transactions.
        if (isOpen)
            await session.RollbackAsync(cancellationToken).ConfigureAwait(false);
        var stop = new TableStop(failure.At, failure.Key, null, failure.Message, $"{failure.Remedy} Then {resync(table)}.");
        await session.StopTableAsync(table, stop, cancellationToken).ConfigureAwait(false);
        stopped(table, stop);
        if (isOpen)
            throw new ReplayRequiredException(table, failure);
    }

    TableDescription Describe(TableDescription table)
    {
        if (!_routes.TryGetValue(table.Name, out var route) || TransformCompiler.Compile(TransformRequest.Of(table, route.Columns, route.Transform), Engine).Transform is not { } transform)
            return table;
        return TransformedTable.Describe(table, transform);
    }

    CompiledTransform Compile(TableRoute route, TableDescription table)
    {
        var compiled = TransformCompiler.Compile(TransformRequest.Of(table, route.Columns, route.Transform), Engine);
        return compiled.Transform ?? throw new FaultException(new Fault(
            ErrorClass.Table, $"The transform of {table.Name} does not fit the table: {compiled.Describe()}.", $"Correct its table_syncs entry, then {resync(table.Name)}."));
    }

    public void Dispose()
    {
        foreach (var rewriter in _rewriters.Values.Distinct())
            rewriter.Dispose();
        _rewriters.Clear();
        _engine?.Dispose();
    }
}
