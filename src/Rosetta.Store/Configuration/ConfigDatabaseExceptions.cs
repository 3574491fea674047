namespace Rosetta.Store.Configuration;

/// <summary>The config database cannot be reached or does not answer in time. Nothing is wrong with what was asked: try again later.</summary>
public sealed class ConfigDatabaseUnavailableException(string message, Exception? innerException)
    : Exception(message, innerException);

/// <summary>The config database answers, and the setting, account or schema must be mended by hand. Start-up stops with this message.</summary>
public sealed class ConfigDatabaseSettingException(string message, Exception? innerException = null)
    : Exception(message, innerException);
