using Microsoft.AspNetCore.Http;
using Npgsql;
using Rosetta.Api.Problems;
using Rosetta.Postgres.Source;
using Rosetta.Store.Sources;

namespace Rosetta.Api.Sources;

/// <summary>Runs something at a source; a source that is away, or refuses, becomes 503 with the reason and a hint.</summary>
static class SourceAccess
{
    public static async Task<T> RunAsync<T>(SourceDefinition source, Func<SourceDatabase, CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var endpoint = source.ToEndpoint();
        await using var database = new SourceDatabase(endpoint);
        try
        {
            return await work(database, cancellationToken);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            var (error, hint) = ConnectionCheck.Explain(e, endpoint);
            throw new RequestProblemException(StatusCodes.Status503ServiceUnavailable, $"Source '{source.Name}' ({endpoint}): {error}. {hint}");
        }
    }
}
