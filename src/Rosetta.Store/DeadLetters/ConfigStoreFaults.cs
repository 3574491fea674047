using Npgsql;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.DeadLetters;

/// <summary>What an error of the config database means for what else is kept in it, and what mends it.</summary>
static class ConfigStoreFaults
{
    /// <exception cref="DeadLetterStoreException">The config database could not do it.</exception>
    public static async Task<T> GuardAsync<T>(string where, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (ConfigDatabaseUnavailableException e)
        {
            throw new DeadLetterStoreException(ToFault(where, e.Message, (e.InnerException as PostgresException)?.SqlState), e);
        }
        catch (PostgresException e) when (IsOfResources(e))
        {
            throw new DeadLetterStoreException(ToFault(where, $"The config database ({where}) cannot take or give dead letters: {e.MessageText}", e.SqlState), e);
        }
    }

    /// <summary>Resources of the server; what else is refused would be an error of ours and is not to be tried for ever.</summary>
    public static bool IsOfResources(PostgresException e) => e.SqlState.Length == 5 && e.SqlState[..2] is "53" or "54" or "57" or "58" or "XX";

    static Fault ToFault(string where, string reason, string? sqlState) => ToFault(
        where, reason, sqlState, "changes that cannot be applied are kept there (table dead_letters)", "Until then nothing is parked and nothing is skipped.");

    /// <param name="kept">What fills the disk.</param>
    /// <param name="meanwhile">What does not happen while it is away.</param>
    public static Fault ToFault(string where, string reason, string? sqlState, string kept, string meanwhile)
    {
        var errorClass = sqlState is null ? ErrorClass.Transient : ErrorPolicy.Classify(sqlState);
        return new Fault(
            errorClass is ErrorClass.Transient ? ErrorClass.Transient : ErrorClass.Operator, reason,
            sqlState switch
            {
                PostgresErrorCodes.DiskFull =>
                    $"Make room on the disk of the config database ({where}): {kept}.",
                PostgresErrorCodes.TooManyConnections => "Raise max_connections of the config database's server, or end sessions that are not needed.",
                PostgresErrorCodes.ReadOnlySqlTransaction => "The config database only reads: name the primary in CONFIG_DATABASE_URL.",
                null => $"Start the config database ({where}), or correct CONFIG_DATABASE_URL. {meanwhile}",
                _ => $"Look into the log of the config database's server ({where}).",
            },
            sqlState);
    }
}
