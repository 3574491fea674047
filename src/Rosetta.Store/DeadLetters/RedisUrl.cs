using System.Globalization;
using StackExchange.Redis;

namespace Rosetta.Store.DeadLetters;

/// <summary>REDIS_URL: <c>redis[s]://[user:password@]host[:port][/database]</c>, or a connection string of StackExchange.Redis (<c>host:port,password=...</c>).</summary>
static class RedisUrl
{
    /// <summary>An append is answered after its fsync, and a payload may have many megabytes.</summary>
    const int AnswerMilliseconds = 30_000;

    const string Expected = "REDIS_URL cannot be read. Write redis://[user:password@]host[:port][/database], or rediss:// for TLS.";

    /// <exception cref="DeadLetterSettingException">It is of neither form. The text never quotes it: it holds the password.</exception>
    public static ConfigurationOptions Parse(string text)
    {
        var options = text.Contains("://", StringComparison.Ordinal) ? ParseUrl(text) : ParseOptions(text);
        if (options.EndPoints.Count != 1)
            throw new DeadLetterSettingException("REDIS_URL must name one server: dead letters are kept in one Redis, not in a cluster.");
        options.ClientName = "rosetta";
        // INFO and CONFIG GET count as such.
        options.AllowAdmin = true;
        options.AbortOnConnectFail = true;
        options.ConnectRetry = 1;
        options.ConnectTimeout = 5_000;
        options.AsyncTimeout = AnswerMilliseconds;
        options.SyncTimeout = AnswerMilliseconds;
        // A command is not kept for a connection that may come: "away" is an answer.
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.ReconnectRetryPolicy = new LinearRetry(1_000);
        return options;
    }

    static ConfigurationOptions ParseUrl(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("redis" or "rediss") || url.Host.Length == 0)
            throw new DeadLetterSettingException(Expected);
        var database = url.AbsolutePath.Trim('/');
        var number = 0;
        if (database.Length > 0 && !int.TryParse(database, NumberStyles.None, CultureInfo.InvariantCulture, out number))
            throw new DeadLetterSettingException($"{Expected} The database is a number.");
        var options = new ConfigurationOptions { Ssl = url.Scheme == "rediss", DefaultDatabase = number };
        options.EndPoints.Add(url.IdnHost.Trim('[', ']'), url.Port > 0 ? url.Port : 6379);
        var user = url.UserInfo.Split(':', 2);
        if (user[0].Length > 0) options.User = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1) options.Password = Uri.UnescapeDataString(user[1]);
        return options;
    }

    static ConfigurationOptions ParseOptions(string text)
    {
        try
        {
            return ConfigurationOptions.Parse(text);
        }
        catch (ArgumentException)
        {
            throw new DeadLetterSettingException(Expected);
        }
    }
}
