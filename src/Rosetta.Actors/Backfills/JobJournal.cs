using Akka.Configuration;
using Akka.Hosting;
using Akka.Persistence.Sql;
using Npgsql;

namespace Rosetta.Actors.Backfills;

/// <summary>The journal of the jobs, in the config database (<c>hocon/persistence.conf</c>). Nothing connects before the first job.</summary>
public static class JobJournal
{
    /// <param name="connectionString">Of the config database, for Npgsql.</param>
    public static AkkaConfigurationBuilder AddJobJournal(this AkkaConfigurationBuilder builder, string connectionString) =>
        builder.AddHocon(Connection(connectionString), HoconAddMode.Prepend).AddHocon(Defaults, HoconAddMode.Append);

    /// <summary>What the library sets where nothing else is said.</summary>
    public static Config Defaults => SqlPersistence.DefaultConfiguration;

    /// <summary>The part of the configuration that tells where it is.</summary>
    public static string Connection(string connectionString)
    {
        var own = new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = "rosetta jobs", MaxPoolSize = 4, ConnectionIdleLifetime = 60 };
        return $"akka.persistence.journal.sql.connection-string = {own.ConnectionString.ToHocon()}";
    }
}
