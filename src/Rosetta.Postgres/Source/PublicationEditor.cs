using System.Text;
using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;

namespace Rosetta.Postgres.Source;

/// <summary>
/// Changes publications. ALTER PUBLICATION takes SHARE UPDATE EXCLUSIVE on each table it names: no statement of an application waits for
/// that, but we may wait for a VACUUM or a schema change, hence one transaction for all, and table by table when that fails.
/// </summary>
sealed class PublicationEditor(Guid installation)
{
    readonly string _mark = $"rosetta {installation}";

    public bool IsOurs(PublicationFact publication) => publication.Comment == _mark;

    /// <exception cref="FaultException">One of them is not.</exception>
    public void RequireOurs(IReadOnlyList<PublicationFact> publications)
    {
        if (publications.FirstOrDefault(p => !IsOurs(p)) is { } foreign)
        {
            throw new FaultException(new Fault(
                ErrorClass.Operator,
                $"Publication {foreign.Name} exists and was not made by this installation.",
                $"Choose another publication_name for the source, or drop it if nobody needs it: DROP PUBLICATION {SqlIdentifier.Quote(foreign.Name)};"));
        }
    }

    /// <param name="full">Publication for tables with an identity.</param>
    /// <param name="insertOnly">Publication for the others, null when none is to be made.</param>
    /// <param name="before">Those of the two that exist.</param>
    public async Task<PublicationChanges> ChangeAsync(
        NpgsqlConnection connection, string full, string? insertOnly, IReadOnlyList<PublicationFact> before,
        IReadOnlyDictionary<TableName, SourceTable> catalog, IReadOnlyCollection<TableName> wanted, CancellationToken cancellationToken)
    {
        var changes = new PublicationChanges();
        var create = new StringBuilder();
        if (before.All(p => p.Name != full))
            Create(create, full, "insert, update, delete, truncate");
        if (insertOnly is not null && before.All(p => p.Name != insertOnly))
            Create(create, insertOnly, "insert, truncate");

        var steps = new List<Step>();
        var home = before.SelectMany(p => p.Tables.Select(t => (t.Table, p.Name))).ToLookup(p => p.Table, p => p.Name);
        var chosen = wanted.ToHashSet();
        foreach (var table in chosen.Order(TableOrder.Instance))
        {
            if (!catalog.TryGetValue(table, out var found))
                changes.Failed.Add(new TablePublicationFailure(table, $"Table {table} does not exist at the source.", null));
            else if (Refusal(found) is { } refusal)
                changes.Failed.Add(refusal);
            else
                AddSteps(steps, found, found.Description.HasReplicaIdentity || insertOnly is null ? full : insertOnly, [.. home[table]], changes);
        }

        // A table that can no longer be decoded has to leave, or it ends the stream of all.
        var refused = changes.Failed.Select(f => f.Table).ToHashSet();
        foreach (var group in home.Where(g => !chosen.Contains(g.Key) || refused.Contains(g.Key)).OrderBy(g => g.Key, TableOrder.Instance))
            steps.Add(new Step(group.Key, catalog.GetValueOrDefault(group.Key), string.Concat(group.Select(p => Drop(p, group.Key))), changes.Removed));

        if (create.Length > 0)
            await CreateAsync(connection, create.ToString(), full, cancellationToken);
        await RunAsync(connection, steps, changes, cancellationToken);
        return changes;
    }

    public static async Task DropAsync(NpgsqlConnection connection, IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        if (names.Count > 0)
            await ExecuteAsync(connection, $"DROP PUBLICATION IF EXISTS {string.Join(", ", names.Select(SqlIdentifier.Quote))}", cancellationToken);
    }

    static void AddSteps(List<Step> steps, SourceTable found, string target, string[] homes, PublicationChanges changes)
    {
        var table = found.Name;
        if (homes is [var only] && only == target)
            return;
        var sql = new StringBuilder();
        if (!homes.Contains(target))
            sql.Append(Add(target, table));
        foreach (var other in homes.Where(h => h != target))
            sql.Append(Drop(other, table));
        steps.Add(new Step(table, found, sql.ToString(), homes.Length == 0 ? changes.Added : changes.Moved));
    }

    static TablePublicationFailure? Refusal(SourceTable table)
    {
        var name = table.Name.ToSql();
        if (table.IsUnlogged)
            return new TablePublicationFailure(table.Name, $"Table {table.Name} is unlogged: its changes are not in the WAL.", $"ALTER TABLE {name} SET LOGGED;");
        if (table.IsPartitioned)
        {
            return new TablePublicationFailure(
                table.Name, $"Table {table.Name} is partitioned: its partitions are replicated, each as a table of its own.", null);
        }

        return table.UndecodableColumns.Count == 0
            ? null
            : new TablePublicationFailure(
                table.Name, $"Columns of {table.Name} hold types that cannot be sent: {string.Join(", ", table.UndecodableColumns)}.",
                $"ALTER TABLE {name} {string.Join(", ", table.UndecodableColumns.Select(c => $"ALTER {SqlIdentifier.Quote(c)} TYPE text USING {SqlIdentifier.Quote(c)}::text"))};");
    }

    void Create(StringBuilder sql, string name, string publish) => sql
        .Append("CREATE PUBLICATION ").Append(SqlIdentifier.Quote(name)).Append(" WITH (publish = '").Append(publish).Append("');")
        .Append("COMMENT ON PUBLICATION ").Append(SqlIdentifier.Quote(name)).Append(" IS ").Append(SqlIdentifier.Literal(_mark)).Append(';');

    static string Add(string publication, TableName table) => $"ALTER PUBLICATION {SqlIdentifier.Quote(publication)} ADD TABLE ONLY {table.ToSql()};";

    static string Drop(string publication, TableName table) => $"ALTER PUBLICATION {SqlIdentifier.Quote(publication)} DROP TABLE ONLY {table.ToSql()};";

    static async Task CreateAsync(NpgsqlConnection connection, string sql, string name, CancellationToken cancellationToken)
    {
        try
        {
            await ExecuteAsync(connection, sql, cancellationToken);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            var user = SqlIdentifier.Quote(connection.UserName ?? "");
            var target = SqlIdentifier.Quote(connection.Database);
            throw new FaultException(
                new Fault(
                    ErrorClass.Operator, $"Publication {name} cannot be made: {e.MessageText}.", $"GRANT CREATE ON DATABASE {target} TO {user};", e.SqlState),
                e);
        }
    }

    static async Task RunAsync(NpgsqlConnection connection, List<Step> steps, PublicationChanges changes, CancellationToken cancellationToken)
    {
        if (steps.Count == 0)
            return;
        try
        {
            await ExecuteAsync(connection, string.Concat(steps.Select(s => s.Sql)), cancellationToken);
            foreach (var step in steps)
                step.Kind.Add(step.Table);
            return;
        }
        catch (PostgresException e) when (IsOfOneTable(e))
        {
            // Which table it was is found below; the others are not to suffer from it.
        }

        foreach (var step in steps)
        {
            try
            {
                await ExecuteAsync(connection, step.Sql, cancellationToken);
                step.Kind.Add(step.Table);
            }
            catch (PostgresException e) when (step.Kind == changes.Removed && e.SqlState is PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.InvalidSchemaName)
            {
                // Dropped meanwhile, and out of the publication with it.
                step.Kind.Add(step.Table);
            }
            catch (PostgresException e) when (IsOfOneTable(e))
            {
                changes.Failed.Add(Failure(step, e, connection.UserName ?? ""));
            }
        }
    }

    static bool IsOfOneTable(PostgresException e) => e.SqlState is
        PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.UndefinedTable
        or PostgresErrorCodes.UndefinedObject or PostgresErrorCodes.DuplicateObject or PostgresErrorCodes.InsufficientPrivilege
        or PostgresErrorCodes.InvalidParameterValue or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.WrongObjectType;

    static TablePublicationFailure Failure(Step step, PostgresException e, string user) => new(
        step.Table,
        e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected
            ? $"Table {step.Table} is locked by another session; it is tried again."
            : $"Table {step.Table} cannot be published: {e.MessageText}.",
        e.SqlState == PostgresErrorCodes.InsufficientPrivilege && step.Found is { } table ? RightsSql(table, user) : null);

    /// <summary>Whatever the role lacks to publish the table and to read it.</summary>
    static string RightsSql(SourceTable table, string user)
    {
        string[] statements =
        [
            .. table.HasSchemaUsage ? (string[])[] : [SchemaUsageSql(table, user)],
            .. table.CanSelect || table.IsOwner ? (string[])[] : [$"GRANT SELECT ON {table.Name.ToSql()} TO {SqlIdentifier.Quote(user)};"],
            .. table.IsOwner ? (string[])[] : [OwnershipSql(table, user)],
        ];
        return string.Join('\n', statements);
    }

    public static string SchemaUsageSql(SourceTable table, string user) =>
        $"GRANT USAGE ON SCHEMA {SqlIdentifier.Quote(table.Name.Schema)} TO {SqlIdentifier.Quote(user)};";

    /// <summary>Only the owner of a table, or a member of that role, may add it to a publication.</summary>
    public static string OwnershipSql(SourceTable table, string user) => table.OwnerIsSuperuser
        ? $"ALTER TABLE {table.Name.ToSql()} OWNER TO {SqlIdentifier.Quote(user)};"
        : $"GRANT {SqlIdentifier.Quote(table.Owner)} TO {SqlIdentifier.Quote(user)};";

    // Several statements in one simple query are one transaction: never idle inside it, whatever happens to us.
    static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand($"BEGIN;{sql};COMMIT", connection);
        try
        {
            await command.ExecuteNonQueryAsync(cancellationToken);
        }
        catch (PostgresException)
        {
            await using var rollback = new NpgsqlCommand("ROLLBACK", connection);
            await rollback.ExecuteNonQueryAsync(CancellationToken.None);
            throw;
        }
    }

    /// <param name="Kind">The list the table is put on when it is done.</param>
    sealed record Step(TableName Table, SourceTable? Found, string Sql, List<TableName> Kind);
}

sealed class PublicationChanges
{
    public List<TableName> Added { get; } = [];

    public List<TableName> Moved { get; } = [];

    public List<TableName> Removed { get; } = [];

    public List<TablePublicationFailure> Failed { get; } = [];
}
