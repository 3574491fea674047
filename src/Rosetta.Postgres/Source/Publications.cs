using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;

namespace Rosetta.Postgres.Source;

/// <summary>
/// The publications of a source. The user's own, named <c>publication_name</c>, is used as it is. Otherwise each pipeline keeps two of its own:
/// one for tables with a replica identity, one with <c>publish = 'insert, truncate'</c> for those without, so that no UPDATE or DELETE of the
/// application ever fails because of us. Tables are named one by one, never FOR ALL TABLES.
/// </summary>
/// <param name="installation">Marks what we made, in the publication's comment: another installation's is never touched.</param>
public sealed class Publications(SourceDatabase database, string publicationName, Guid installation)
{
    readonly PublicationEditor _editor = new(installation);

    /// <summary>What a pipeline's stream would name now: the recorded publications as far as they exist.</summary>
    /// <param name="stored">As recorded, whose names count.</param>
    public async Task<PublicationFacts> ReadAsync(PublicationFacts stored, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        return stored with { Publications = await PublicationReader.ReadAsync(connection, stored.Names, cancellationToken) };
    }

    /// <summary>The user's own publication, with its insert-only companion if there is one; null when there is none.</summary>
    public async Task<PublicationFacts?> FindUsersAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        return await FindUsersAsync(connection, cancellationToken);
    }

    /// <summary>
    /// Makes the pipeline's publications hold exactly the wanted tables, or looks the user's one up. To be called before the slot is made, and
    /// whenever the wanted tables, or a table's identity, may have changed.
    /// </summary>
    /// <param name="stored">What the pipeline has recorded: it stays with those publications. Null before the first time.</param>
    /// <param name="wanted">Tables that are to be replicated.</param>
    /// <exception cref="FaultException">The names are taken by something that is not ours, or we may not make publications.</exception>
    public async Task<EnsuredPublications> EnsureAsync(
        long pipelineId, PublicationFacts? stored, IReadOnlyCollection<TableName> wanted, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        if (stored is null or { IsAdopted: true } && await FindUsersAsync(connection, cancellationToken) is { } users)
            return Adopt(users, wanted);
        if (stored is { IsAdopted: true })
        {
            throw new FaultException(new Fault(
                ErrorClass.Operator, $"Publication {publicationName}, which this pipeline follows, is gone.",
                $"Create it again and resync the pipeline: CREATE PUBLICATION {SqlIdentifier.Quote(publicationName)} FOR TABLE ...;"));
        }

        string[] names = [SourceNames.Publication(publicationName, pipelineId), SourceNames.InsertOnlyPublication(publicationName, pipelineId)];
        var before = await PublicationReader.ReadAsync(connection, names, cancellationToken);
        _editor.RequireOurs(before);
        var catalog = (await SourceCatalog.ReadAsync(connection, CatalogSql.UserTables, null, cancellationToken)).ToDictionary(t => t.Name);
        var changes = await _editor.ChangeAsync(connection, names[0], names[1], before, catalog, wanted, cancellationToken);
        var after = await PublicationReader.ReadAsync(connection, names, cancellationToken);
        return new EnsuredPublications(new PublicationFacts(false, after), changes.Added, changes.Moved, changes.Removed, changes.Failed);
    }

    /// <summary>Drops what <see cref="EnsureAsync"/> made for a pipeline, as far as it exists and is ours.</summary>
    public async Task DropOwnAsync(long pipelineId, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        string[] names = [SourceNames.Publication(publicationName, pipelineId), SourceNames.InsertOnlyPublication(publicationName, pipelineId)];
        var found = await PublicationReader.ReadAsync(connection, names, cancellationToken);
        await PublicationEditor.DropAsync(connection, [.. found.Where(_editor.IsOurs).Select(p => p.Name)], cancellationToken);
    }

    /// <summary>Makes the source's own publication, for all pipelines, at the user's request.</summary>
    /// <param name="tables">Null for every user table there is now; they are listed one by one all the same.</param>
    /// <exception cref="FaultException">We may not make it.</exception>
    public async Task<PublicationCreation> CreateAsync(IReadOnlyCollection<TableName>? tables, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        string[] names = [publicationName, SourceNames.InsertOnlyPublication(publicationName)];
        var before = await PublicationReader.ReadAsync(connection, names, cancellationToken);
        if (before.Count > 0)
            return new PublicationCreation.Exists(before[0].Name);
        var all = await SourceCatalog.ReadAsync(connection, CatalogSql.UserTables, null, cancellationToken);
        var catalog = all.ToDictionary(t => t.Name);
        var unknown = tables?.Where(t => !catalog.ContainsKey(t)).ToList() ?? [];
        if (unknown.Count > 0)
            return new PublicationCreation.Unknown(unknown);
        var wanted = tables ?? [.. SourceCatalog.ReplicatedTables(all).Where(t => t.CanBeReplicated).Select(t => t.Name)];
        var insertOnly = wanted.Any(t => !catalog[t].Description.HasReplicaIdentity) ? names[1] : null;
        var changes = await _editor.ChangeAsync(connection, names[0], insertOnly, [], catalog, wanted, cancellationToken);
        if (changes.Failed.Count > 0)
        {
            // All or nothing: a publication without some of its tables would be taken for the user's choice.
            await PublicationEditor.DropAsync(connection, insertOnly is null ? [names[0]] : names, cancellationToken);
            throw new FaultException(new Fault(ErrorClass.Operator, changes.Failed[0].Reason, changes.Failed[0].FixSql));
        }

        return new PublicationCreation.Created(
            publicationName,
            [.. changes.Added.Where(t => catalog[t].Description.HasReplicaIdentity)],
            [.. changes.Added.Where(t => !catalog[t].Description.HasReplicaIdentity)]);
    }

    /// <summary>Drops the source's own publication, with its insert-only companion; false when there is none.</summary>
    public async Task<bool> DropUsersAsync(CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenAsync(cancellationToken);
        if (await FindUsersAsync(connection, cancellationToken) is not { } users)
            return false;
        await PublicationEditor.DropAsync(connection, users.Names, cancellationToken);
        return true;
    }

    async Task<PublicationFacts?> FindUsersAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        var found = await PublicationReader.ReadAsync(
            connection, [publicationName, SourceNames.InsertOnlyPublication(publicationName)], cancellationToken);
        return found.Any(p => p.Name == publicationName) ? new PublicationFacts(true, found) : null;
    }

    EnsuredPublications Adopt(PublicationFacts users, IReadOnlyCollection<TableName> wanted)
    {
        var published = users.Tables;
        var missing = wanted.Where(t => !published.Contains(t)).Order(TableOrder.Instance).Select(t => new TablePublicationFailure(
            t, $"Table {t} is not in publication {publicationName}, which the source uses as it is.",
            $"ALTER PUBLICATION {SqlIdentifier.Quote(publicationName)} ADD TABLE ONLY {t.ToSql()};"));
        return new EnsuredPublications(users, [], [], [], [.. missing]);
    }
}

/// <param name="Facts">To be recorded.</param>
/// <param name="Added">Tables that are published from now on.</param>
/// <param name="Moved">Tables whose UPDATE and DELETE are published from now on, or no longer; the rest of their changes went on.</param>
/// <param name="Removed">Tables that are no longer published.</param>
/// <param name="Failed">Wanted tables that are not published, and why.</param>
public sealed record EnsuredPublications(
    PublicationFacts Facts, IReadOnlyList<TableName> Added, IReadOnlyList<TableName> Moved, IReadOnlyList<TableName> Removed,
    IReadOnlyList<TablePublicationFailure> Failed);

/// <param name="Reason">A sentence.</param>
/// <param name="FixSql">What mends it, null when time does (a lock that was held).</param>
public sealed record TablePublicationFailure(TableName Table, string Reason, string? FixSql);

/// <summary>What became of a request to make the source's own publication.</summary>
public abstract record PublicationCreation
{
    /// <param name="Tables">Tables all of whose changes are published.</param>
    /// <param name="InsertOnly">Tables without replica identity, in the companion publication.</param>
    public sealed record Created(string Publication, IReadOnlyList<TableName> Tables, IReadOnlyList<TableName> InsertOnly) : PublicationCreation;

    /// <summary>One of that name is there.</summary>
    public sealed record Exists(string Publication) : PublicationCreation;

    /// <summary>Tables that the source does not have.</summary>
    public sealed record Unknown(IReadOnlyList<TableName> Tables) : PublicationCreation;
}
