using Npgsql;

namespace Rosetta.Store.Configuration;

/// <summary>Reads <c>CONFIG_DATABASE_URL</c>: a URL (<c>postgres://user:password@host:port/database?sslmode=require</c>) or an Npgsql string.</summary>
public static class ConfigDatabaseUrl
{
    const string Form = "CONFIG_DATABASE_URL must be a URL (postgres://user:password@host:5432/database?sslmode=prefer) "
        + "or an Npgsql connection string (Host=...;Port=5432;Database=...;Username=...;Password=...)";

    /// <summary>Gives the connection string of <paramref name="value"/>; the message of the error never repeats the value, which holds a password.</summary>
    /// <exception cref="ConfigDatabaseSettingException">It is neither form, or names an option that is not known.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string? value)
    {
        if (string.IsNullOrWhiteSpace(value)) throw new ConfigDatabaseSettingException($"{Form}; it is not set.");
        value = value.Trim();
        var builder = value.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase)
            || value.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase)
                ? FromUrl(value)
                : FromKeywords(value);
        if (string.IsNullOrEmpty(builder.Host)) throw new ConfigDatabaseSettingException($"{Form}; it names no host.");
        return builder;
    }

    static NpgsqlConnectionStringBuilder FromKeywords(string value)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(value);
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException)
        {
            throw new ConfigDatabaseSettingException($"{Form}; it could not be read as either.");
        }
    }

    static NpgsqlConnectionStringBuilder FromUrl(string value)
    {
        if (!Uri.TryCreate(value, UriKind.Absolute, out var uri)) throw new ConfigDatabaseSettingException($"{Form}; it is not a valid URL.");

        var builder = new NpgsqlConnectionStringBuilder { Host = uri.Host.Trim('[', ']') };
        if (uri.Port > 0) builder.Port = uri.Port;
        var user = uri.UserInfo.Split(':', 2);
        if (user[0].Length > 0) builder.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length == 2) builder.Password = Uri.UnescapeDataString(user[1]);
        var database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/'));
        if (database.Length > 0) builder.Database = database;

        foreach (var option in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = option.Split('=', 2);
            Apply(builder, Uri.UnescapeDataString(parts[0]), parts.Length == 2 ? Uri.UnescapeDataString(parts[1]) : "");
        }

        return builder;
    }

    static void Apply(NpgsqlConnectionStringBuilder builder, string name, string value)
    {
        // libpq's names where they differ from Npgsql's; everything else is an Npgsql keyword.
        var keyword = name.ToLowerInvariant() switch
        {
            "sslmode" => "SSL Mode",
            "sslrootcert" => "Root Certificate",
            "sslcert" => "SSL Certificate",
            "sslkey" => "SSL Key",
            "application_name" => "Application Name",
            "connect_timeout" => "Timeout",
            "host" => "Host",
            _ => name,
        };
        if (keyword == "SSL Mode") value = value.Replace("-", "", StringComparison.Ordinal);
        try
        {
            builder[keyword] = value;
        }
        catch (Exception e) when (e is ArgumentException or FormatException or KeyNotFoundException)
        {
            throw new ConfigDatabaseSettingException($"{Form}; its option '{name}' or the value given for it is not known.");
        }
    }
}
