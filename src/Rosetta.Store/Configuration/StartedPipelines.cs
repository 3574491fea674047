using Dapper;
using Npgsql;

namespace Rosetta.Store.Configuration;

/// <summary>
/// Finds a started pipeline that stands in the way of a change. It locks the pipelines it looks at for the rest of the transaction,
/// so that a start waits until the change is done.
/// </summary>
static class StartedPipelines
{
    public static Task<string?> UsingSourceAsync(NpgsqlConnection connection, NpgsqlTransaction transaction, long sourceId, CancellationToken cancellationToken) =>
        FindAsync(connection, transaction, "SELECT name, status FROM pipelines WHERE source_id = @id ORDER BY id FOR SHARE", sourceId, cancellationToken);

    public static Task<string?> UsingDestinationAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, long destinationId, CancellationToken cancellationToken) =>
        FindAsync(
            connection, transaction,
            """
            SELECT name, status FROM pipelines
            WHERE id IN (SELECT pipeline_id FROM pipeline_destinations WHERE destination_id = @id) ORDER BY id FOR SHARE
            """,
            destinationId, cancellationToken);

    static async Task<string?> FindAsync(
        NpgsqlConnection connection, NpgsqlTransaction transaction, string sql, long id, CancellationToken cancellationToken)
    {
        var pipelines = await connection.QueryAsync<(string Name, string Status)>(
            new CommandDefinition(sql, new { id }, transaction, cancellationToken: cancellationToken)).ConfigureAwait(false);
        return pipelines.Where(p => p.Status == "START").Select(p => p.Name).FirstOrDefault();
    }
}
